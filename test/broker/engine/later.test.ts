import { expect, test } from "vitest";
import { ColloquyError, errorInfo } from "../../../src/errors.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { collect, message, Rig, text } from "./rig.ts";

const signal = new AbortController().signal;
const error = errorInfo(new ColloquyError("HANDLER_FAILED", "no"));

test("G7: nothing is early, nothing is late and nothing is lost, through kills and more timers than memory holds", async () => {
  const rig = await Rig.with(["work"], { timersMax: 50, reconnectGraceMs: 0 });
  const random = new SeededRandom(7);
  const startMs = rig.clock.nowMs();
  const dueOf = new Map<string, number>();
  for (let batch = 0; batch < 40; batch++) {
    const messages = Array.from({ length: 50 }, (_, index) => {
      const notBeforeMs = startMs + 1 + (random.uint32() % 60_000);
      dueOf.set(`${batch}.${index}`, notBeforeMs);
      return message(`${batch}.${index}`, { notBeforeMs });
    });
    await rig.enqueue("work", ...messages);
  }
  let reader = rig.receive("work", { credit: 10_000 });
  for (let elapsed = 0; elapsed < 60_100; elapsed += 100) {
    await rig.clock.advance(100);
    const nowMs = rig.clock.nowMs();
    for (const { frame } of await reader.settle()) {
      const dueMs = dueOf.get(text(frame)) ?? Number.NaN;
      expect(nowMs - dueMs).toBeGreaterThanOrEqual(0);
      expect(nowMs - dueMs).toBeLessThan(200);
      dueOf.delete(text(frame));
    }
    if (elapsed % 7_000 === 3_500) {
      rig.crash();
      reader = rig.receive("work", { credit: 10_000 });
    }
  }
  expect(dueOf.size).toBe(0);
});

test("G7: what fell due while nobody was there is offered after the restart, whoever receives first", async () => {
  const rig = await Rig.with(["a", "b"]);
  const notBeforeMs = rig.clock.nowMs() + 5_000;
  const batch = (name: string) =>
    Array.from({ length: 3_000 }, (_, index) => message(`${name}${index}`, { notBeforeMs }));
  await rig.enqueue("a", ...batch("a"));
  await rig.enqueue("b", ...batch("b"));
  await rig.restart();
  await rig.clock.advance(6_000);
  const reader = rig.receive("b", { credit: 10_000 });
  const seen = (await reader.settle()).map(({ frame }) => text(frame));
  expect(seen).toEqual(batch("b").map(({ frame }) => text(frame)));
});

test("a wall clock that is set forward makes due, one that is set back does not make early", async () => {
  const rig = await Rig.with(["work"]);
  const reader = rig.receive("work");
  const startMs = rig.clock.nowMs();
  await rig.enqueue("work", message("a", { notBeforeMs: startMs + 3_600_000 }));
  await rig.enqueue("work", message("b", { notBeforeMs: startMs + 5_000 }));
  rig.clock.setWallClock(startMs - 3_600_000);
  await rig.clock.advance(10_000);
  expect(await reader.texts()).toEqual([]);
  rig.clock.setWallClock(startMs + 3_600_000);
  await rig.clock.advance(1_000);
  expect((await reader.texts()).toSorted()).toEqual(["a", "b"]);
});

test("a scheduled message can be seen, with its time, and keeps its position", async () => {
  const rig = await Rig.with(["work"]);
  const notBeforeMs = rig.clock.nowMs() + 1_000;
  await rig.enqueue("work", message("a", { notBeforeMs }), message("b"));
  const browse = () => collect(rig.broker.queues.browse("work", {}, signal));
  expect(await browse()).toMatchObject([
    { position: 1, state: "scheduled", notBeforeMs },
    { position: 2, state: "queued" },
  ]);
  const reader = rig.receive("work");
  await rig.clock.advance(1_000);
  expect(await browse()).toMatchObject([
    { position: 1, state: "offered" },
    { position: 2, state: "offered" },
  ]);
  await reader.settle({ kind: "retry", delayMs: 500, error });
  expect(await browse()).toMatchObject([
    { position: 1, state: "scheduled", attempts: { failures: 1 } },
    { position: 2, state: "scheduled", attempts: { failures: 1 } },
  ]);
});

test("an overdue retry is offered once, though its timer and the first receiver both find it", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 0 });
  await rig.enqueue("work", message("a"), message("b"));
  await rig.receive("work").settle({ kind: "retry", delayMs: 1_000, error });
  rig.storage.lose();
  await rig.clock.advance(5_000);
  rig.crash();
  const reader = rig.receive("work");
  expect((await reader.texts()).toSorted()).toEqual(["a", "b"]);
  await rig.clock.advance(5_000);
  expect(await reader.texts()).toEqual([]);
});

test("when the disk is full at its time a message is offered later", async () => {
  const rig = await Rig.with(["work"]);
  const reader = rig.receive("work");
  await rig.enqueue("work", message("a", { notBeforeMs: rig.clock.nowMs() + 1_000 }));
  rig.storage.fault = "refuse";
  await rig.clock.advance(1_500);
  expect(await reader.texts()).toEqual([]);
  await rig.clock.advance(1_000);
  expect(await reader.texts()).toEqual(["a"]);
});

test("G6: nothing is offered after its expiry, and the expiry is recorded", async () => {
  const rig = await Rig.with(["work"]);
  const expiresAtMs = rig.clock.nowMs() + 1_000;
  const batch = Array.from({ length: 3_000 }, (_, index) =>
    message(String(index), index % 2 === 0 ? { expiresAtMs } : {}),
  );
  await rig.enqueue("work", ...batch);
  await rig.clock.advance(1_000);
  const seen = (await rig.receive("work", { credit: 10_000 }).settle()).map(({ frame }) =>
    text(frame),
  );
  expect(seen.length).toBe(1_500);
  expect(seen.every((each) => Number(each) % 2 === 1)).toBe(true);
  expect(await rig.run(rig.broker.queues.track("work", 1))).toMatchObject({
    state: "expired",
    error: { code: "EXPIRED" },
  });
  expect(await rig.run(rig.broker.queues.mailboxes())).toMatchObject([{ waiting: 0 }]);
});

test("G6: a sender that waits is told of the expiry at its time, also where nobody receives", async () => {
  const rig = await Rig.with(["work"]);
  const expiresAtMs = rig.clock.nowMs() + 1_000;
  await rig.enqueue("work", message("a", { expiresAtMs, key: "x" }), message("b", { key: "x" }));
  const waiting = rig.broker.queues.track("work", 1, { wait: true });
  await rig.clock.advance(999);
  expect(await rig.run(rig.broker.queues.track("work", 1))).toMatchObject({ state: "queued" });
  await rig.clock.advance(1);
  expect(await waiting).toMatchObject({ state: "expired" });
  expect(await rig.receive("work").texts()).toEqual(["b"]);
});

test("while the disk is full, what expired is tried again from time to time, not all the time", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a", { expiresAtMs: rig.clock.nowMs() + 10 }), message("b"));
  await rig.clock.advance(10);
  let attempts = 0;
  rig.storage.onCommit = () => {
    attempts++;
    rig.storage.fault = "refuse";
  };
  const reader = rig.receive("work");
  expect(await reader.texts()).toEqual(["b"]);
  await rig.clock.advance(10_000);
  expect(attempts).toBeGreaterThan(5);
  expect(attempts).toBeLessThan(20);
  rig.storage.onCommit = undefined;
  await rig.clock.advance(1_000);
  expect(await rig.run(rig.broker.queues.track("work", 1))).toMatchObject({ state: "expired" });
});

test("G7: what was due once stays due, when the clock is set back and the engine dies", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 0 });
  const nowMs = rig.clock.nowMs();
  await rig.enqueue("work", message("tried"));
  const reader = rig.receive("work");
  await reader.settle({ kind: "retry", delayMs: 10_000, error });
  await reader.stop();
  await rig.enqueue("work", message("scheduled", { notBeforeMs: nowMs + 10_000 }));
  rig.clock.setWallClock(nowMs + 3_600_000);
  await rig.clock.advance(1_000);
  rig.clock.setWallClock(nowMs);
  rig.crash();
  expect(await rig.receive("work").texts()).toEqual(["tried", "scheduled"]);
});

test("G7: what was due once stays due, when the clock is set back before anybody asks for it", async () => {
  const rig = await Rig.with(["work"]);
  const nowMs = rig.clock.nowMs();
  await rig.enqueue("work", message("tried"));
  const reader = rig.receive("work");
  await reader.settle({ kind: "retry", delayMs: 10_000, error });
  await reader.stop();
  rig.clock.setWallClock(nowMs + 3_600_000);
  await rig.clock.advance(1_000);
  rig.clock.setWallClock(nowMs);
  expect(await rig.receive("work").texts()).toEqual(["tried"]);
});
