/**
 * What most scenarios are made of: orders, which senders send as commands and workers book in a
 * ledger. An order says all that will happen to it but for the faults, so that a history can be held
 * against what was to be expected.
 */

import type { AgentOptions } from "../../agent/agent-options.ts";
import type { Guarantee } from "../../broker/broker.ts";
import { isColloquyError } from "../../errors.ts";
import type { SendOptions } from "../../exchange/options.ts";
import type { Address } from "../../message/address.ts";
import type { Priority } from "../../message/envelope.ts";
import type { Random } from "../../runtime/random.ts";
import type { ScenarioEvent, ScenarioHistory } from "./events.ts";
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

/** What travels with an order. */
export interface Payload {
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
export function worker(id: string, options: AgentOptions = {}): Program<ScenarioEvent> {
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
export function sender(orders: readonly Order[]): Program<ScenarioEvent> {
  return async (process) => {
    const net = await process.join();
    const agent = await net.agent(process.name);
    await net.mailboxes.declare([...new Set(orders.map(({ to }) => to))]);
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
  event: ScenarioHistory[number],
): event is Extract<ScenarioHistory[number], { kind: "acknowledged" | "refused" }> {
  return event.kind === "acknowledged" || event.kind === "refused";
}

async function send(
  process: ProcessContext<ScenarioEvent>,
  order: Order,
  through: (options: SendOptions, id: string) => Promise<{ readonly id: string }>,
): Promise<void> {
  const { id: name, guarantee, priority, key, to, delayMs, ttlMs } = order;
  const id = guarantee === "exactly-once" ? name : `${name}/${process.life}`;
  const nowMs = process.clock.nowMs();
  const deliverAt = process.rightTimeMs() + (delayMs ?? 0);
  const notBefore = delayMs === undefined ? {} : { notBeforeMs: deliverAt };
  const expires = ttlMs === undefined ? {} : { expiresAtMs: nowMs + ttlMs };
  const line = key === undefined ? {} : { line: [process.name, to, key, priority].join(" ") };
  process.record({
    kind: "sending",
    id,
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
    ...(delayMs === undefined ? {} : { deliverAt }),
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
