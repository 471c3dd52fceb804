/** A hub tells its clients which topics nobody else hears, so that they need not publish on them. */
import { expect, test } from "vitest";
import type { Broker } from "../../src/broker/broker.ts";
import { openVirtualFabric } from "./support/virtual-fabric.ts";

const frame = Uint8Array.of(1, 2, 3);
const never = new AbortController().signal;

/** As the exchange does it. @returns whether the hub was bothered. */
function publish({ topics }: Broker, topic: string): boolean {
  if (topics.reaches?.(topic) === false) return false;
  topics.publish([{ topic, frame }]);
  return true;
}

test("a topic that nobody else hears is published once, and again when somebody subscribes", async () => {
  const { clock, connect } = await openVirtualFabric();
  const publisher = await connect("publisher");
  const subscriber = await connect("subscriber");
  const own: string[] = [];
  await clock.until(publisher.topics.subscribe("orders.placed", (it) => own.push(it), never));

  expect(publish(publisher, "orders.placed")).toBe(true);
  await clock.advance(10);
  expect(publish(publisher, "orders.placed")).toBe(false);
  expect(publish(publisher, "orders.booked")).toBe(true);

  const heard: string[] = [];
  const hear = (topic: string) => heard.push(topic);
  await clock.until(subscriber.topics.subscribe("orders.placed", hear, never));
  expect(publish(publisher, "orders.placed")).toBe(true);
  await clock.advance(10);
  expect(heard).toEqual(["orders.placed"]);
  expect(publish(publisher, "orders.booked")).toBe(false);
  expect(own).toEqual([]);
});

test("a pattern wakes every topic it matches, and it stays awake while somebody is there", async () => {
  const { clock, connect } = await openVirtualFabric();
  const publisher = await connect("publisher");
  const subscriber = await connect("subscriber");
  const topics = ["orders.placed", "orders.booked", "risk.assessed"];
  for (const topic of topics) publish(publisher, topic);
  await clock.advance(10);
  expect(topics.map((topic) => publish(publisher, topic))).toEqual([false, false, false]);

  const leaving = new AbortController();
  await clock.until(subscriber.topics.subscribe("orders.*", () => {}, leaving.signal));
  expect(topics.map((topic) => publish(publisher, topic))).toEqual([true, true, false]);
  await clock.advance(10);
  expect(topics.map((topic) => publish(publisher, topic))).toEqual([true, true, false]);

  leaving.abort();
  await clock.advance(10);
  expect(topics.map((topic) => publish(publisher, topic))).toEqual([true, true, false]);
  await clock.advance(10);
  expect(topics.map((topic) => publish(publisher, topic))).toEqual([false, false, false]);
});

test("after a lost link everything is published again, until the hub says otherwise", async () => {
  const { clock, network, connect } = await openVirtualFabric();
  const publisher = await connect("publisher");
  publish(publisher, "orders.placed");
  await clock.advance(10);
  expect(publisher.topics.reaches?.("orders.placed")).toBe(false);

  network.cut("publisher");
  await clock.advance(10);
  expect(publisher.topics.reaches?.("orders.placed")).toBe(true);
  await clock.advance(5_000);
  expect(publish(publisher, "orders.placed")).toBe(true);
  await clock.advance(10);
  expect(publish(publisher, "orders.placed")).toBe(false);
});

test("inboxes are never quiet: whoever asks wants to know each time", async () => {
  const { clock, connect } = await openVirtualFabric();
  const publisher = await connect("publisher");
  publish(publisher, "_inbox.gone");
  publish(publisher, "space._inbox.gone");
  await clock.advance(10);
  expect(publisher.topics.reaches?.("_inbox.gone")).toBe(true);
  expect(publisher.topics.reaches?.("space._inbox.gone")).toBe(true);
});

test("a publisher that does not listen holds a subscription up for a moment only", async () => {
  const { clock, network, connect } = await openVirtualFabric();
  const publisher = await connect("publisher");
  const subscriber = await connect("subscriber");
  publish(publisher, "orders.placed");
  await clock.advance(10);

  network.block("hub", "publisher");
  const startMs = clock.monotonicMs();
  const heard: string[] = [];
  const hear = (topic: string) => heard.push(topic);
  await clock.until(subscriber.topics.subscribe("orders.placed", hear, never));
  expect(clock.monotonicMs() - startMs).toBeLessThan(200);

  network.heal();
  await clock.advance(10);
  expect(publish(publisher, "orders.placed")).toBe(true);
  await clock.advance(10);
  expect(heard).toEqual(["orders.placed"]);
});
