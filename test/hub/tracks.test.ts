/** Waiting, through a hub, for what becomes of messages. */
import { expect, test } from "vitest";
import type { Broker, Delivery, MessageState } from "../../src/broker/broker.ts";
import { openVirtualFabric, type VirtualFabric } from "./support/virtual-fabric.ts";

const queue = "type:pool";
const count = 200;
const never = new AbortController().signal;

test("a wait that is given up leaves those beside it waiting", async () => {
  const { clock, producer, consumer, positions } = await openWithMessages();
  const cancels = positions.map(() => new AbortController());
  const states = positions.map((position, index) =>
    producer.queues.track(queue, position, { wait: true, signal: cancels[index]?.signal ?? never }),
  );
  const outcomes = Promise.allSettled(states);
  await clock.advance(10);
  for (const index of [0, 63, 64, 150]) cancels[index]?.abort();
  await clock.advance(10);
  cancels[65]?.abort();
  await clock.advance(10);
  await settleAll(clock, consumer);

  const given = (await clock.until(outcomes)).map((outcome) =>
    outcome.status === "fulfilled" ? outcome.value.state : outcome.reason.code,
  );
  const cancelled = new Set([0, 63, 64, 65, 150]);
  expect(given).toEqual(positions.map((_, index) => (cancelled.has(index) ? "CANCELLED" : "done")));
});

test("a wait that is given up before it was asked for is not asked for", async () => {
  const { clock, producer, consumer, positions } = await openWithMessages();
  const [first = 0, second = 0] = positions;
  const cancel = new AbortController();
  const given = producer.queues.track(queue, first, { wait: true, signal: cancel.signal });
  const kept = producer.queues.track(queue, second, { wait: true });
  cancel.abort();
  await expect(given).rejects.toMatchObject({ code: "CANCELLED" });
  await settleAll(clock, consumer);
  expect(await clock.until(kept)).toEqual({ state: "done" });
});

test("a wait outlives its link, and what became final meanwhile is told", async () => {
  const { clock, network, producer, consumer, positions } = await openWithMessages();
  const states: Promise<MessageState>[] = positions.map((position) =>
    producer.queues.track(queue, position, { wait: true }),
  );
  await clock.advance(10);
  network.cut("producer");
  network.block("producer", "hub");
  await settleAll(clock, consumer);
  network.heal();
  for (const { state } of await clock.until(Promise.all(states))) expect(state).toBe("done");
});

test("a wait ends with the client", async () => {
  const { clock, producer, positions } = await openWithMessages();
  const closed = expect(
    producer.queues.track(queue, positions[0] ?? 0, { wait: true }),
  ).rejects.toMatchObject({ code: "CLOSED" });
  await clock.until(producer.close());
  await closed;
});

interface Messages extends VirtualFabric {
  readonly producer: Broker;
  readonly consumer: Broker;
  readonly positions: readonly number[];
}

async function openWithMessages(): Promise<Messages> {
  const fabric = await openVirtualFabric();
  const producer = await fabric.connect("producer");
  const consumer = await fabric.connect("consumer");
  await fabric.clock.until(producer.queues.declare([queue]));
  const messages = Array.from({ length: count }, (_, index) => ({
    frame: Uint8Array.of(index),
    lane: 2 as const,
    guarantee: "at-least-once" as const,
    id: `message-${index}`,
  }));
  const outcomes = await fabric.clock.until(producer.queues.enqueue(queue, messages));
  const positions = outcomes.map((outcome) => (outcome.kind === "stored" ? outcome.position : 0));
  return { ...fabric, producer, consumer, positions };
}

async function settleAll(clock: VirtualFabric["clock"], consumer: Broker): Promise<void> {
  const options = { credit: count, consumer: "consumer" };
  const batches = consumer.queues.receive(queue, options, never)[Symbol.asyncIterator]();
  for (let settled = 0; settled < count; ) {
    const { value } = await clock.until(batches.next());
    const deliveries = value as readonly Delivery[];
    const settlements = deliveries.map(({ position, fence }) => ({
      queue,
      position,
      fence,
      outcome: { kind: "done" as const },
    }));
    await clock.until(consumer.queues.settle(settlements));
    settled += deliveries.length;
  }
}
