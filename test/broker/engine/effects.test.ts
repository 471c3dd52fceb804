import { expect, test } from "vitest";
import type { Delivery, Effect, SettleOutcome } from "../../../src/broker/broker.ts";
import { bytes, collect, message, Rig, settlement, text } from "./rig.ts";

const signal = new AbortController().signal;

async function offered(rig: Rig): Promise<Delivery> {
  await rig.enqueue("work", message("input"));
  const [delivery] = await rig.receive("work").take();
  if (delivery === undefined) throw new Error("nothing was offered");
  return delivery;
}

async function settle(
  rig: Rig,
  delivery: Delivery,
  effects: readonly Effect[],
): Promise<SettleOutcome | undefined> {
  const done = settlement(delivery, { kind: "done" }, { effects });
  const [outcome] = await rig.run(rig.broker.queues.settle([done]));
  return outcome;
}

/** Everything that effects could have left behind. */
async function traces(rig: Rig): Promise<unknown> {
  const [entry] = (await rig.run(rig.broker.store?.get(["key"]) ?? Promise.resolve([]))) ?? [];
  const log = await collect(rig.broker.log?.read("log", 1, {}, signal) ?? empty());
  const out = await collect(rig.broker.queues.browse("out", {}, signal));
  return { value: entry && text(entry.value), log: log.length, out: out.length };
}

async function* empty(): AsyncGenerator<never[]> {}

const all: readonly Effect[] = [
  { kind: "enqueue", queue: "out", message: message("output") },
  { kind: "put", key: "key", value: bytes("value"), ifRevision: 0 },
  { kind: "append", stream: "log", entries: [bytes("one"), bytes("two")], at: 1 },
  { kind: "publish", topic: "news", frame: bytes("done") },
];

test("G3: effects commit with their settlement, in one group, and are published after it", async () => {
  const rig = await Rig.with(["work", "out"]);
  const delivery = await offered(rig);
  const heard: string[] = [];
  const other = rig.engine.connect();
  await rig.run(other.topics.subscribe("news", (_, frame) => heard.push(text(frame)), signal));
  const before = rig.storage.commits.length;
  rig.storage.onCommit = () => expect(heard).toEqual([]);
  expect(await settle(rig, delivery, all)).toEqual({ kind: "settled" });
  expect(rig.storage.commits.length).toBe(before + 1);
  expect(heard).toEqual(["done"]);
  expect(await traces(rig)).toEqual({ value: "value", log: 2, out: 1 });
});

const impossible: readonly (readonly [string, Effect])[] = [
  ["a revision that does not hold", { kind: "put", key: "key", value: bytes("x"), ifRevision: 7 }],
  ["a position that is taken", { kind: "append", stream: "log", entries: [bytes("x")], at: 1 }],
  ["an undeclared queue", { kind: "enqueue", queue: "nowhere", message: message("x") }],
  ["an entry without a key", { kind: "put", key: "", value: bytes("x") }],
  [
    "a frame that is too long",
    { kind: "enqueue", queue: "out", message: message("", { frame: new Uint8Array(2_000_000) }) },
  ],
];

test.each(impossible)(
  "G3: with %s nothing of a settlement is kept, and its lease stands",
  async (_, effect) => {
    const rig = await Rig.with(["work", "out"]);
    const delivery = await offered(rig);
    expect(await settle(rig, delivery, [...all, effect])).toMatchObject({ kind: "refused" });
    expect(await traces(rig)).toEqual({ value: undefined, log: 0, out: 0 });
    expect(await rig.run(rig.broker.queues.track("work", 1))).toMatchObject({ state: "offered" });
    expect(await settle(rig, delivery, all)).toEqual({ kind: "settled" });
    expect(await traces(rig)).toEqual({ value: "value", log: 2, out: 1 });
  },
);

test("effects see those before them, and those of settlements before them in the group", async () => {
  const rig = await Rig.with(["work", "out"]);
  const reader = rig.receive("work");
  await rig.enqueue("work", message("a"), message("b"));
  const [a, b] = await reader.take();
  if (a === undefined || b === undefined) throw new Error("nothing was offered");
  const first: readonly Effect[] = [
    { kind: "put", key: "key", value: bytes("1"), ifRevision: 0 },
    { kind: "put", key: "key", value: bytes("2"), ifRevision: 1 },
    { kind: "append", stream: "log", entries: [bytes("1")], at: 1 },
    { kind: "append", stream: "log", entries: [bytes("2")], at: 2 },
  ];
  const second: readonly Effect[] = [
    { kind: "put", key: "key", ifRevision: 2 },
    { kind: "put", key: "key", value: bytes("3"), ifRevision: 0 },
    { kind: "append", stream: "log", entries: [bytes("3")], at: 3 },
  ];
  const outcomes = await rig.run(
    rig.broker.queues.settle([
      settlement(a, { kind: "done" }, { effects: first }),
      settlement(b, { kind: "done" }, { effects: second }),
    ]),
  );
  expect(outcomes).toEqual([{ kind: "settled" }, { kind: "settled" }]);
  expect(await traces(rig)).toEqual({ value: "3", log: 3, out: 0 });
});

test("a stale settlement has no effects", async () => {
  const rig = await Rig.with(["work", "out"]);
  const delivery = await offered(rig);
  expect(await settle(rig, { ...delivery, fence: delivery.fence + 1 }, all)).toEqual({
    kind: "stale",
  });
  expect(await traces(rig)).toEqual({ value: undefined, log: 0, out: 0 });
});

test("a settlement that is repeated has its effects once", async () => {
  const rig = await Rig.with(["work", "out"]);
  const delivery = await offered(rig);
  const unconditional: readonly Effect[] = [
    { kind: "append", stream: "log", entries: [bytes("one")] },
    { kind: "enqueue", queue: "out", message: message("output") },
  ];
  for (let round = 0; round < 3; round++) {
    expect(await settle(rig, delivery, unconditional)).toEqual({ kind: "settled" });
  }
  const twice = [delivery, delivery].map((each) =>
    settlement(each, { kind: "done" }, { effects: unconditional }),
  );
  await rig.run(rig.broker.queues.settle(twice));
  expect(await traces(rig)).toMatchObject({ log: 1, out: 1 });
});

test("a message that is given back has no effects", async () => {
  const rig = await Rig.with(["work", "out"]);
  const delivery = await offered(rig);
  const error = { code: "HANDLER_FAILED", message: "no", retryable: false } as const;
  for (const outcome of [{ kind: "release" }, { kind: "retry", delayMs: 0, error }] as const) {
    const wrong = settlement(delivery, outcome, { effects: all });
    expect(await rig.run(rig.broker.queues.settle([wrong]))).toMatchObject([
      { kind: "refused", error: { code: "INVALID_OPTION" } },
    ]);
  }
  expect(await traces(rig)).toEqual({ value: undefined, log: 0, out: 0 });
});
