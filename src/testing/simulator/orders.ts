/**
 * What most scenarios are made of: orders, which senders send as commands and workers book in a
 * ledger. An order says all that will happen to it but for the faults, so that a history can be held
 * against what was to be expected.
 */

import type { AgentOptions } from "../../agent/agent.ts";
import type { Guarantee } from "../../broker/broker.ts";
import { isColloquyError } from "../../errors.ts";
import type { SendOptions } from "../../exchange/options.ts";
import type { Address } from "../../message/address.ts";
import type { Priority } from "../../message/envelope.ts";
import type { Random } from "../../runtime/random.ts";
import type { AnyRecorded } from "./history.ts";
import type { ProcessContext, Program } from "./process.ts";

export interface Order {
  readonly id: string;
  readonly to: Exclude<Address, `all:${string}`>;
  readonly guarantee: Guarantee;
  readonly priority: Priority;
  readonly key?: string;
  /** Not to be started earlier than this after it was sent, milliseconds. */
  readonly delayMs?: number;
  readonly ttlMs?: number;
  /** Attempts that throw before one succeeds; Infinity for an order that nobody can book. */
  readonly failures: number;
  /** How long its handler takes. */
  readonly workMs: number;
  /** After how long the next order leaves; 0 for in one go with it. */
  readonly pauseMs: number;
}

/** One sending of an order. An exactly-once order is sent again as itself, every other as a new one. */
export interface Sending {
  readonly kind: "sending";
  readonly id: string;
  readonly order: string;
  readonly guarantee: Guarantee;
  /** What has an order of its own: sender, mailbox, key and priority. */
  readonly line?: string;
  readonly priority: Priority;
  /** By the clock of the sender. */
  readonly notBeforeMs?: number;
  readonly expiresAtMs?: number;
}

export type OrderEvent =
  | Sending
  | { readonly kind: "acknowledged"; readonly id: string; readonly receipt: string }
  | { readonly kind: "refused"; readonly id: string; readonly code: string }
  | { readonly kind: "started"; readonly id: string; readonly attempt: number }
  | { readonly kind: "returned" | "threw"; readonly id: string; readonly attempt: number }
  /** What its receipt says in the end. */
  | { readonly kind: "settled"; readonly id: string; readonly state: string }
  /** A line of the ledger, read in the end. */
  | { readonly kind: "effect"; readonly id: string; readonly attempt: number }
  | { readonly kind: "dead-letter"; readonly id: string };

export type OrderHistory = readonly AnyRecorded<OrderEvent>[];

interface Payload {
  readonly id: string;
  /** Null for one that never succeeds. */
  readonly failures: number | null;
  readonly workMs: number;
}

/**
 * Draws orders for so many senders, each order its own: most succeed at once, some after failures, a
 * few never. `more` says what is different in a scenario.
 */
export function drawOrders(
  random: Random,
  count: number,
  senders: number,
  more: (random: Random, index: number) => Partial<Order>,
): readonly (readonly Order[])[] {
  const batches = Array.from({ length: senders }, (): Order[] => []);
  for (let index = 0; index < count; index++) {
    const luck = random.float();
    const order: Order = {
      id: `order-${index}`,
      to: "type:worker",
      guarantee: "at-least-once",
      priority: "normal",
      failures: luck < 0.85 ? 0 : luck < 0.97 ? 1 + (random.uint32() % 3) : Infinity,
      workMs: Math.round(random.float() ** 3 * 40),
      pauseMs: random.uint32() % 3 === 0 ? Math.round(random.float() * 30) : 0,
      ...more(random, index),
    };
    batches[index % senders]?.push(order);
  }
  return batches;
}

/** Books orders: in the ledger, by an effect that commits with the order's end. */
export function worker(id: string, options: AgentOptions = {}): Program<OrderEvent> {
  return async (process) => {
    const net = await process.join();
    const agent = await net.agent(id, options);
    agent.handle<Payload>(
      "ORDER",
      async ({ id, failures, workMs }, context) => {
        const { attempt } = context;
        process.record({ kind: "started", id, attempt });
        // Staged first: what throws afterwards must leave nothing of it behind.
        context.log.append("ledger", { id, attempt });
        await process.sleep(workMs);
        const throws = failures === null || attempt <= failures;
        process.record({ kind: throws ? "threw" : "returned", id, attempt });
        if (throws) throw new Error(`attempt ${attempt} fails`);
        return id;
      },
      { retry: { attemptsMax: 6, baseMs: 10, capMs: 100 } },
    );
    await agent.ready();
  };
}

/** Sends its orders, those again that a former life of it was not told to be stored. */
export function sender(orders: readonly Order[]): Program<OrderEvent> {
  return async (process) => {
    const net = await process.join();
    const agent = await net.agent(process.name);
    await net.mailboxes.declare(...new Set(orders.map(({ to }) => to)));
    const told = new Set(
      process.history.flatMap((event) => (isReply(event) ? [event.id.split("/")[0]] : [])),
    );
    const sent: Promise<void>[] = [];
    for (const order of orders) {
      if (told.has(order.id)) continue;
      sent.push(
        send(process, order, (options, id) => {
          const { to, workMs } = order;
          const failures = order.failures === Infinity ? null : order.failures;
          return agent.send(to, "ORDER", { id, failures, workMs }, options);
        }),
      );
      if (order.pauseMs > 0) await process.sleep(order.pauseMs);
    }
    await Promise.all(sent);
  };
}

function isReply(
  event: OrderHistory[number],
): event is Extract<OrderHistory[number], { kind: "acknowledged" | "refused" }> {
  return event.kind === "acknowledged" || event.kind === "refused";
}

async function send(
  process: ProcessContext<OrderEvent>,
  order: Order,
  through: (options: SendOptions, id: string) => Promise<{ readonly id: string }>,
): Promise<void> {
  const { id: name, guarantee, priority, key, to, delayMs, ttlMs } = order;
  const id = guarantee === "exactly-once" ? name : `${name}/${process.life}`;
  const nowMs = process.clock.nowMs();
  const notBefore = delayMs === undefined ? {} : { notBeforeMs: nowMs + delayMs };
  const expires = ttlMs === undefined ? {} : { expiresAtMs: nowMs + ttlMs };
  const line = key === undefined ? {} : { line: [process.name, to, key, priority].join(" ") };
  process.record({
    kind: "sending",
    id,
    order: name,
    guarantee,
    priority,
    ...line,
    ...notBefore,
    ...expires,
  });
  const options: SendOptions = {
    guarantee,
    priority,
    ...(guarantee === "exactly-once" ? { id } : {}),
    ...(key === undefined ? {} : { key }),
    ...(delayMs === undefined ? {} : { deliverAt: nowMs + delayMs }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  };
  try {
    const receipt = await through(options, id);
    process.record({ kind: "acknowledged", id, receipt: receipt.id });
  } catch (error) {
    const code = isColloquyError(error) ? error.code : String(error);
    process.record({ kind: "refused", id, code });
  }
}

/** Reads in the end what became of everything: from a process that had no part in it. */
export async function takeStock(process: ProcessContext<OrderEvent>): Promise<void> {
  const net = await process.join();
  const receipts = process.history.flatMap((event) =>
    event.kind === "acknowledged" ? [event] : [],
  );
  for (const { id, receipt } of new Map(receipts.map((it) => [it.id, it])).values()) {
    const { state } = await net.track(receipt).settled();
    process.record({ kind: "settled", id, state });
  }
  // Of what was stored and not acknowledged nobody has a receipt.
  for (;;) {
    const mailboxes = await net.mailboxes.list();
    const waiting = mailboxes.reduce((sum, mailbox) => sum + mailbox.waiting, 0);
    if (waiting === 0) break;
    await process.sleep(50);
  }
  for await (const { value } of net.log.read("ledger")) {
    process.record({ kind: "effect", ...(value as { id: string; attempt: number }) });
  }
  for await (const { payload } of net.dead.list()) {
    process.record({ kind: "dead-letter", id: (payload as Payload).id });
  }
}
