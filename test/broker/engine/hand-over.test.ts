import { expect, test } from "vitest";
import type { Broker, Delivery, QueuedMessage } from "../../../src/broker/broker.ts";
import { openEngine } from "../../../src/broker/engine/engine.ts";
import { MemoryStorage } from "../../../src/broker/engine/memory-storage.ts";
import { systemClock as clock } from "../../../src/runtime/clock.ts";

const message: QueuedMessage = {
  frame: Uint8Array.of(1),
  lane: 2,
  guarantee: "at-least-once",
  id: "",
};

test("what a receiver holds when an engine hands over, it claims from the next one and settles", async () => {
  const storage = new MemoryStorage();
  const first = openEngine({ storage, clock, name: "first" });
  const held = await enqueueAndTake(first.connect());
  await first.close({ handOver: true });

  storage.reopen();
  const second = openEngine({ storage, clock, name: "second", limits: { reconnectGraceMs: 200 } });
  const broker = second.connect();
  const mine = receive(broker, [held]);
  const others = receive(broker, []);
  expect(await broker.queues.settle([{ ...held, outcome: { kind: "done" } }])).toEqual([
    { kind: "settled" },
  ]);
  await second.close();
  expect(await all(mine)).toEqual([]);
  expect(await all(others)).toEqual([]);
});

test("what nobody claims is offered after the grace, as another attempt", async () => {
  const storage = new MemoryStorage();
  const first = openEngine({ storage, clock, name: "first" });
  const held = await enqueueAndTake(first.connect());
  await first.close({ handOver: true });

  storage.reopen();
  const second = openEngine({ storage, clock, name: "second", limits: { reconnectGraceMs: 30 } });
  const again = await take(second.connect());
  expect(again.position).toBe(held.position);
  expect(again.fence).toBeGreaterThan(held.fence);
  await second.close();
});

test("an engine that hands over nothing makes nobody wait", async () => {
  const storage = new MemoryStorage();
  const first = openEngine({ storage, clock, name: "first" });
  const broker = first.connect();
  await broker.queues.declare(["jobs"]);
  await broker.queues.enqueue("jobs", [message]);
  await first.close({ handOver: true });

  const hour = 3_600_000;
  storage.reopen();
  const second = openEngine({ storage, clock, name: "second", limits: { reconnectGraceMs: hour } });
  expect(await take(second.connect())).toMatchObject({ queue: "jobs" });
  await second.close();
});

async function enqueueAndTake(broker: Broker): Promise<Delivery> {
  await broker.queues.declare(["jobs"]);
  await broker.queues.enqueue("jobs", [message]);
  return take(broker);
}

async function take(broker: Broker): Promise<Delivery> {
  const { value } = await receive(broker, []).next();
  return (value as readonly Delivery[])[0] as Delivery;
}

function receive(broker: Broker, claims: readonly Delivery[]): AsyncIterator<readonly Delivery[]> {
  const options = { credit: 10, consumer: "test", claims };
  const batches = broker.queues.receive("jobs", options, new AbortController().signal);
  return batches[Symbol.asyncIterator]();
}

/** Everything that came until the end. */
async function all(batches: AsyncIterator<readonly Delivery[]>): Promise<readonly Delivery[]> {
  const deliveries: Delivery[] = [];
  for (;;) {
    const { done, value } = await batches.next();
    if (done === true) return deliveries;
    deliveries.push(...value);
  }
}
