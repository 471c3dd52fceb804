/** A process of `npm run schedule`: it sends timers, or it is there when their time comes. */
import { type Context, join } from "colloquy";
import { mailbox } from "./mailbox.ts";

export type Order =
  | {
      readonly role: "worker";
      readonly directory: string;
      /** Whether each firing leaves an effect that commits with it. */
      readonly ledger: boolean;
    }
  | {
      readonly role: "sender";
      readonly directory: string;
      /** Numbers from here up to, not including, `to`. */
      readonly from: number;
      readonly to: number;
      /** When each is to fire: so long after it is sent, at random between the two, or all at one time. */
      readonly due: { readonly delayMs: readonly [number, number] } | { readonly atMs: number };
      /** Timers sent in a second; 0: as many as can be. */
      readonly perSecond: number;
      /** Of how many keys each has one; 0: none has. */
      readonly keys: number;
    };

export type Report =
  | { readonly kind: "ready"; readonly atMs: number }
  /** All below have been acknowledged. */
  | { readonly kind: "sent"; readonly to: number }
  /** What fired: number, when it was due and when its handler was started, one after the other. */
  | { readonly kind: "fired"; readonly samples: readonly number[] };

export interface Timer {
  readonly number: number;
  readonly dueMs: number;
}

const tickMs = 20;
const batchMax = 1_000;

const order = JSON.parse(process.argv[2] ?? "{}") as Order;
process.on("disconnect", () => process.exit());
const net = await join(`embedded:${order.directory}`, { drainOnSignals: false });
if (order.role === "worker") await work(order.ledger);
else await send(order);

async function work(ledger: boolean): Promise<void> {
  const agent = await net.agent(`worker-${process.pid}`, { type: "worker", capacity: 512 });
  let samples: number[] = [];
  agent.handle("TIMER", ({ number, dueMs }: Timer, { log }: Context) => {
    samples.push(number, dueMs, Date.now());
    if (ledger) log.append("fired", number);
  });
  await agent.ready();
  report({ kind: "ready", atMs: Date.now() });
  setInterval(() => {
    if (samples.length > 0) report({ kind: "fired", samples });
    samples = [];
  }, tickMs);
}

/** In the order of their numbers, so that a successor knows where to go on. */
async function send({ from, to, due, perSecond, keys }: typeof order & { role: "sender" }) {
  const agent = await net.agent(`sender-${process.pid}`);
  report({ kind: "ready", atMs: Date.now() });
  const begunMs = Date.now();
  for (let next = from; next < to; ) {
    const share = ((Date.now() - begunMs) / 1_000) * perSecond;
    const wanted = perSecond === 0 ? to : Math.min(to, from + Math.floor(share));
    const end = Math.min(wanted, next + batchMax);
    const batch = Array.from({ length: end - next }, async (_, index) => {
      const number = next + index;
      const dueMs = "atMs" in due ? due.atMs : Date.now() + between(due.delayMs);
      const key = keys === 0 ? {} : { key: `key-${number % keys}` };
      const options = {
        id: `timer-${number}`,
        guarantee: "exactly-once",
        deliverAt: dueMs,
      } as const;
      await agent.send(mailbox, "TIMER", { number, dueMs } satisfies Timer, { ...options, ...key });
    });
    await Promise.all(batch);
    next = end;
    report({ kind: "sent", to: next });
    if (perSecond > 0) await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
}

function between([least, most]: readonly [number, number]): number {
  return least + Math.floor(Math.random() * (most - least));
}

function report(message: Report): void {
  process.send?.(message);
}
