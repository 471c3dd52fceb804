/** The broker over a store in this thread: what the conformance suite does not say about it. */
import { expect, test } from "vitest";
import type { Broker, QueuedMessage } from "../../../src/broker/broker.ts";
import { openStoreBroker } from "../../../src/broker/embedded/open.ts";
import { temporaryDirectory } from "./stores.ts";

const frame = Uint8Array.of(1, 2, 3);

async function waitingIn(broker: Broker, queue: string): Promise<number> {
  let waiting = 0;
  const { signal } = new AbortController();
  for await (const batch of broker.queues.browse(queue, {}, signal)) waiting += batch.length;
  return waiting;
}

test("what was enqueued is there after the broker was closed and opened again", async () => {
  const directory = temporaryDirectory();
  const broker = openStoreBroker(directory);
  await broker.queues.declare(["jobs"]);
  const messages = Array.from({ length: 200 }, (_, index): QueuedMessage => {
    return { frame, lane: 2, guarantee: "at-least-once", id: `${index}` };
  });
  const outcomes = await broker.queues.enqueue("jobs", messages);
  expect(outcomes.every(({ kind }) => kind === "stored")).toBe(true);
  expect(await waitingIn(broker.connect("another"), "jobs")).toBe(200);
  await broker.close();

  const again = openStoreBroker(directory);
  expect(await waitingIn(again, "jobs")).toBe(200);
  await again.close();
});

test("a directory is free again after an engine could not be opened over it", async () => {
  const directory = temporaryDirectory();
  const wrong = { limits: { groupMessagesMax: 0 } };
  expect(() => openStoreBroker(directory, wrong)).toThrow("groupMessagesMax");
  await openStoreBroker(directory).close();
});
