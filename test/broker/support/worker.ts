/**
 * A consumer in a process of its own: takes from the queue "work", several messages at a time, and writes
 * what it has done into the log "done", as an effect of the settlement. It begins to work when something
 * comes in. Says what it does, a line each: "ready", then for each message "took CONTENT" and "settled
 * CONTENT", or what else became of it.
 *
 *   worker.ts URL, as `join` takes it
 */
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { Delivery } from "../../../src/broker/broker.ts";
import { openAt } from "../../support/servers/servers.ts";

const [url = ""] = process.argv.slice(2);
const workMs = 50;

const broker = await openAt(url);
const options = { credit: 8, consumer: `worker ${process.pid}` };
const { signal } = new AbortController();
const begun = once(process.stdin, "data");
console.log("ready");
for await (const batch of broker.queues.receive("work", options, signal)) {
  for (const delivery of batch) void work(delivery);
}

async function work({ queue, position, fence, frame }: Delivery): Promise<void> {
  const content = new TextDecoder().decode(frame);
  console.log(`took ${content}`);
  await begun;
  await pause(workMs);
  const effects = [{ kind: "append", stream: "done", entries: [frame] }] as const;
  const settlement = { queue, position, fence, outcome: { kind: "done" }, effects } as const;
  const [settled] = await broker.queues.settle([settlement]);
  console.log(`${settled?.kind} ${content}`);
}
