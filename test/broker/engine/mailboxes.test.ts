import { expect, test } from "vitest";
import { collect, message, Rig, settlement, text } from "./rig.ts";

const signal = new AbortController().signal;
const error = { code: "HANDLER_FAILED", message: "no", retryable: false } as const;

test("mailboxes outlive their workers and the engine; declaring them again changes nothing", async () => {
  const rig = await Rig.with(["b", "a"]);
  await rig.enqueue("a", message("1"));
  await rig.run(rig.broker.queues.declare(["a", "c", "c"]));
  rig.crash();
  expect(await rig.run(rig.broker.queues.mailboxes())).toEqual([
    { queue: "b", waiting: 0, offered: 0, receivers: 0 },
    { queue: "a", waiting: 1, offered: 0, receivers: 0 },
    { queue: "c", waiting: 0, offered: 0, receivers: 0 },
  ]);
});

test("a send to what was not declared is refused; a receiver waits until it is", async () => {
  const rig = new Rig();
  const reader = rig.receive("work");
  expect(await rig.enqueue("work", message("a"))).toMatchObject([
    { kind: "rejected", error: { code: "NO_ELIGIBLE_AGENT", details: { queue: "work" } } },
  ]);
  await rig.run(rig.broker.queues.declare(["work"]));
  await rig.enqueue("work", message("b"));
  expect(await reader.texts()).toEqual(["b"]);
});

test("a mailbox is removed with all that waits in it, bit by bit, across restarts, and nothing stays behind", async () => {
  const rig = await Rig.with(["work", "other"]);
  await rig.enqueue("other", message("kept"));
  const bytesBefore = rig.memory.bytes;
  const notBeforeMs = rig.clock.nowMs() + 3_600_000;
  for (let page = 0; page < 600; page++) {
    await rig.enqueue(
      "work",
      message("a"),
      message("b", { lane: 0 }),
      message("c", { notBeforeMs }),
    );
  }
  const reader = rig.receive("work", { credit: 700 });
  const held = await reader.take();
  await rig.run(
    rig.broker.queues.settle(
      held
        .slice(0, 300)
        .map((each) => settlement(each, { kind: "retry", delayMs: 9_000_000, error })),
    ),
  );
  await rig.run(rig.broker.queues.remove(["work", "unknown"]));
  rig.crash();
  expect(await rig.enqueue("work", message("late"))).toMatchObject([{ kind: "rejected" }]);
  for (let group = 0; group < 20; group++) await rig.enqueue("other", message("traffic"));
  await rig.clock.advance(10_000_000);
  const rows = (table: "page" | "later" | "settled") =>
    rig.memory.scan(table, 0, 0, Number.MAX_SAFE_INTEGER, { rows: 10_000 });
  expect(rows("later")).toEqual([]);
  expect(rows("settled")).toEqual([]);
  expect(rows("page").length).toBe(21);
  expect(rig.memory.scanNamed("meta", "removed", "", { rows: 10 })).toEqual([]);
  expect(rig.memory.bytes).toBeLessThan(bytesBefore + 10_000);
  expect((await collect(rig.broker.queues.browse("other", {}, signal))).length).toBe(21);
});

test("settlements of what was removed are stale, and positions are never used twice", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"), message("b"));
  const reader = rig.receive("work");
  const held = await reader.take();
  await rig.run(rig.broker.queues.remove(["work"]));
  const settle = () => rig.run(rig.broker.queues.settle(held.map((each) => settlement(each))));
  expect(await settle()).toEqual([{ kind: "stale" }, { kind: "stale" }]);
  await rig.run(rig.broker.queues.declare(["work"]));
  expect(await rig.enqueue("work", message("c"))).toMatchObject([{ position: 3 }]);
  expect(await settle()).toEqual([{ kind: "stale" }, { kind: "stale" }]);
  expect(await reader.texts(), "the receiver is still there").toEqual(["c"]);
});

test("queues are bounded by messages and by bytes, and a settlement makes room", async () => {
  const rig = await Rig.with(["work"], { queueMessagesMax: 3, queueBytesMax: 25 });
  const refused = (limit: string) => ({
    kind: "rejected",
    error: { code: "QUEUE_FULL", retryable: true, details: { limit } },
  });
  const ten = message("0123456789");
  expect(await rig.enqueue("work", ten, ten, ten, message("1"), message("2"))).toMatchObject([
    { kind: "stored" },
    { kind: "stored" },
    refused("queueBytesMax"),
    { kind: "stored" },
    refused("queueMessagesMax"),
  ]);
  await rig.receive("work", { credit: 1 }).settle();
  expect(await rig.enqueue("work", message("3"))).toMatchObject([{ kind: "stored" }]);
  await rig.restart();
  expect(await rig.enqueue("work", message("4"))).toMatchObject([refused("queueMessagesMax")]);
});

test("what is wrong with a message is refused with its field and limit", async () => {
  const rig = await Rig.with(["work"], { frameBytesMax: 100 });
  const outcomes = await rig.enqueue(
    "work",
    message("", { frame: new Uint8Array(101) }),
    message("", { key: "k".repeat(2_000) }),
    message("", { lane: 4 as never }),
    message("", { notBeforeMs: Number.NaN }),
    message("fine"),
  );
  expect(outcomes).toMatchObject(
    [
      {
        kind: "rejected",
        error: { code: "MESSAGE_TOO_LARGE", details: { field: "frame", limit: 100 } },
      },
      { kind: "rejected", error: { code: "INVALID_MESSAGE", message: /key/ } },
      { kind: "rejected", error: { code: "INVALID_MESSAGE", message: /lane/ } },
      { kind: "rejected", error: { code: "INVALID_MESSAGE", message: /notBeforeMs/ } },
      { kind: "stored", position: 1 },
    ].map((each) => each),
  );
});

test("G8: dead letters can be looked at, sent again and purged", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a", { key: "k", lane: 0 }), message("b"), message("c"));
  const reader = rig.receive("work");
  await reader.settle({ kind: "dead", error });
  const list = () => collect(rig.broker.queues.deadLetters({}, signal));
  const letters = await list();
  expect(letters.map(({ number, position, frame }) => [number, position, text(frame)])).toEqual([
    [1, 1, "a"],
    [2, 2, "b"],
    [3, 3, "c"],
  ]);
  expect(await list()).toEqual(letters);
  expect(await rig.run(rig.broker.queues.replay([1, 1, 99]))).toBe(1);
  expect(await rig.run(rig.broker.queues.purge([2, 2, 98]))).toBe(1);
  const [again] = await reader.take();
  expect(again).toMatchObject({ position: 4, attempts: { failures: 0 } });
  expect(text(again?.frame ?? new Uint8Array())).toBe("a");
  rig.crash();
  expect((await list()).map(({ number }) => number)).toEqual([3]);
  expect(await rig.run(rig.broker.queues.track("work", 1))).toEqual({ state: "dead", error });
});

test("G8: with no room for another dead letter nothing vanishes, and nothing more is taken in", async () => {
  const rig = await Rig.with(["work"], { deadLettersMax: 1 });
  await rig.enqueue("work", message("a"), message("b"));
  const reader = rig.receive("work");
  const [a, b] = await reader.take();
  if (a === undefined || b === undefined) throw new Error("nothing was offered");
  const settle = (each: typeof a) =>
    rig.broker.queues.settle([settlement(each, { kind: "dead", error })]);
  expect(await rig.run(settle(a))).toEqual([{ kind: "settled" }]);
  const full = { code: "QUEUE_FULL", details: { limit: "deadLettersMax" } };
  expect(await rig.run(settle(b))).toMatchObject([{ kind: "refused", error: full }]);
  expect(await rig.enqueue("work", message("c"))).toMatchObject([
    { kind: "rejected", error: full },
  ]);
  for (let round = 0; round < 30; round++) {
    await rig.run(rig.broker.queues.settle([settlement(b, { kind: "release" })]));
    const [again] = await reader.take();
    if (round < 25 && again !== undefined) Object.assign(b, { fence: again.fence });
  }
  expect(await rig.run(rig.broker.queues.mailboxes())).toMatchObject([{ waiting: 1 }]);
  expect(await rig.run(rig.broker.queues.purge([1]))).toBe(1);
  expect(await rig.enqueue("work", message("c"))).toMatchObject([{ kind: "stored" }]);
});

test("browsing gives every live message in order, whatever has become of the others", async () => {
  const rig = await Rig.with(["work"]);
  const notBeforeMs = rig.clock.nowMs() + 3_600_000;
  for (let batch = 0; batch < 50; batch++) {
    const messages = Array.from({ length: 20 }, (_, index) =>
      message(`${batch}.${index}`, {
        lane: (index % 4) as 0,
        ...(index % 5 === 0 ? { notBeforeMs } : {}),
      }),
    );
    await rig.enqueue("work", ...messages);
  }
  const taken = await rig.receive("work", { credit: 400 }).take();
  const third = taken.filter((_, index) => index % 3 === 0);
  const retried = taken.filter((_, index) => index % 3 === 1);
  await rig.run(
    rig.broker.queues.settle([
      ...third.map((each) => settlement(each)),
      ...retried.map((each) => settlement(each, { kind: "retry", delayMs: 9_000, error })),
    ]),
  );
  const final = new Set(third.map(({ position }) => position));
  const live = Array.from({ length: 1_000 }, (_, index) => index + 1).filter(
    (each) => !final.has(each),
  );
  const browse = async (range: { readonly after?: number; readonly limit?: number }) =>
    (await collect(rig.broker.queues.browse("work", range, signal))).map(
      ({ position }) => position,
    );
  expect(await browse({})).toEqual(live);
  expect(await browse({ after: 500 })).toEqual(live.filter((each) => each > 500));
  expect(await browse({ after: 100, limit: 150 })).toEqual(
    live.filter((each) => each > 100).slice(0, 150),
  );
});

test("G2: what was removed with its mailbox is unknown, also when there is one of that name again", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("removed"));
  await rig.run(rig.broker.queues.remove(["work"]));
  await rig.run(rig.broker.queues.declare(["work"]));
  const state = () => rig.run(rig.broker.queues.track("work", 1));
  expect(await state()).toEqual({ state: "unknown" });
  await rig.restart();
  expect(await state()).toEqual({ state: "unknown" });
  const [again] = await rig.enqueue("work", message("new"));
  await rig.receive("work").settle();
  const position = again?.kind === "stored" ? again.position : 0;
  expect(await rig.run(rig.broker.queues.track("work", position))).toEqual({ state: "done" });
});

test("G2: a repetition of what was stored is not called rejected when its mailbox is gone by now", async () => {
  const rig = await Rig.with(["work"]);
  const origin = { incarnation: "life", sequence: 1, repeatsFrom: 1 };
  const sent = message("sent", { origin });
  await rig.enqueue("work", sent);
  await rig.run(rig.broker.queues.remove(["work"]));
  const fresh = message("fresh", { origin: { ...origin, sequence: 2 } });
  expect(await rig.enqueue("work", sent, fresh)).toMatchObject([
    { kind: "stored", position: 1, duplicate: true },
    { kind: "rejected", error: { code: "NO_ELIGIBLE_AGENT" } },
  ]);
});
