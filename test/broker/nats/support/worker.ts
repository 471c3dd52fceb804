/**
 * A consumer in a process of its own: takes from the queue "work", a few milliseconds for each message,
 * and writes what it has done into the log "done", as an effect of the settlement. Says what it does, a
 * line each: "holds CONTENT", then "settled CONTENT" or what else became of that.
 *
 *   worker.ts URL PREFIX LEASE_MS
 */
import { setTimeout as pause } from "node:timers/promises";
import { openNatsBroker } from "../../../../src/broker/nats/index.ts";

const [url = "", prefix = "", lease = ""] = process.argv.slice(2);
const workMs = 5;

const broker = await openNatsBroker({ servers: url, prefix, leaseMs: Number(lease) });
const options = { credit: 8, consumer: `worker ${process.pid}` };
const { signal } = new AbortController();
for await (const batch of broker.queues.receive("work", options, signal)) {
  for (const { queue, position, fence, frame } of batch) {
    const content = new TextDecoder().decode(frame);
    console.log(`holds ${content}`);
    await pause(workMs);
    const effects = [{ kind: "append", stream: "done", entries: [frame] }] as const;
    const settlement = { queue, position, fence, outcome: { kind: "done" }, effects } as const;
    const [settled] = await broker.queues.settle([settlement]);
    console.log(`${settled?.kind} ${content}`);
  }
}
