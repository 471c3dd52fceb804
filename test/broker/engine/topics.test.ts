import { expect, test } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import { bytes, Rig, text } from "./rig.ts";

const signal = new AbortController().signal;

async function listen(
  rig: Rig,
  broker: Broker,
  pattern: string,
  until = signal,
): Promise<string[]> {
  const heard: string[] = [];
  const receive = (topic: string, frame: Uint8Array) => heard.push(`${topic} ${text(frame)}`);
  await rig.run(broker.topics.subscribe(pattern, receive, until));
  return heard;
}

test("a publication reaches every matching subscription but those of its own broker object", async () => {
  const rig = new Rig();
  const other = rig.engine.connect();
  const own = await listen(rig, rig.broker, ">");
  const matching = await listen(rig, other, "market.*");
  const twice = await listen(rig, other, "market.updates");
  const elsewhere = await listen(rig, other, "orders.>");
  rig.broker.topics.publish([{ topic: "market.updates", frame: bytes("1") }]);
  expect([own, matching, twice, elsewhere]).toEqual([
    [],
    ["market.updates 1"],
    ["market.updates 1"],
    [],
  ]);
});

test("a publisher learns at once that nobody but itself would hear", async () => {
  const rig = new Rig();
  await listen(rig, rig.broker, "news");
  const unheard: string[] = [];
  const publish = (topic: string) =>
    rig.broker.topics.publish([{ topic, frame: bytes(""), onUnheard: () => unheard.push(topic) }]);
  publish("news");
  await listen(rig, rig.engine.connect(), "old");
  publish("old");
  expect(unheard).toEqual(["news"]);
});

test("subscriptions end with their signal and with their broker object", async () => {
  const rig = new Rig();
  const controller = new AbortController();
  const other = rig.engine.connect();
  const third = rig.engine.connect();
  const first = await listen(rig, other, "news", controller.signal);
  const second = await listen(rig, third, "news");
  controller.abort();
  await third.close();
  rig.broker.topics.publish([{ topic: "news", frame: bytes("") }]);
  expect([...first, ...second]).toEqual([]);
  expect(() => third.topics.publish([])).toThrow(expect.objectContaining({ code: "CLOSED" }));
});

test("receivers that answer one another keep each publisher's order, and neither stack nor thread", async () => {
  const rig = new Rig();
  const [a, b, c] = [rig.engine.connect(), rig.engine.connect(), rig.engine.connect()];
  const rounds = 20_000;
  const heard: number[] = [];
  let depth = 0;
  let deepest = 0;
  const answer = (broker: Broker, topic: string) => (_: string, frame: Uint8Array) => {
    deepest = Math.max(deepest, ++depth);
    const round = Number(text(frame));
    if (round < rounds) broker.topics.publish([{ topic, frame: bytes(String(round + 1)) }]);
    depth--;
  };
  await rig.run(a.topics.subscribe("a", answer(a, "b"), signal));
  await rig.run(b.topics.subscribe("b", answer(b, "a"), signal));
  await rig.run(
    c.topics.subscribe("*", (_, frame) => void heard.push(Number(text(frame))), signal),
  );
  rig.broker.topics.publish([{ topic: "a", frame: bytes("0") }]);
  expect(heard.length, "other work has its turn").toBeLessThan(rounds);
  rig.broker.topics.publish([{ topic: "c", frame: bytes("-1") }]);
  await rig.clock.settle();
  expect(deepest).toBe(1);
  expect(heard.filter((round) => round >= 0)).toEqual(
    Array.from({ length: rounds + 1 }, (_, round) => round),
  );
});

test("what is no topic and no pattern is refused with its field", async () => {
  const rig = new Rig();
  expect(() => rig.broker.topics.publish([{ topic: "a..b", frame: bytes("") }])).toThrow(
    expect.objectContaining({
      code: "INVALID_ADDRESS",
      details: expect.objectContaining({ field: "topic" }),
    }),
  );
  await expect(
    rig.run(rig.broker.topics.subscribe("a.>.b", () => {}, signal)),
  ).rejects.toMatchObject({
    code: "INVALID_ADDRESS",
    details: { field: "pattern" },
  });
});
