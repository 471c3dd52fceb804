import { expect, test } from "vitest";
import { ColloquyError, errorInfo } from "../../../src/errors.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { collect, message, Rig, settlement, text } from "./rig.ts";

const signal = new AbortController().signal;
const error = errorInfo(new ColloquyError("HANDLER_FAILED", "no"));

/** How late what is due while an engine is up may be, milliseconds, in 99 of 100: docs/promises.md. */
const lateMsMax = 100;
/** After a kill, what waited is kept for receivers that come back: the default. */
const graceMs = 1_000;

/** What a receiver was given, and when: stamped on its arrival, and settled at once. Ends with its engine. */
async function recordFirings(rig: Rig, queue: string, firings: [name: string, atMs: number][]) {
  const { queues } = rig.broker;
  const options = { credit: 30_000, consumer: "reader" };
  try {
    for await (const batch of queues.receive(queue, options, signal)) {
      for (const { frame } of batch) firings.push([text(frame), rig.clock.nowMs()]);
      queues.settle(batch.map((delivery) => settlement(delivery))).catch(() => {});
    }
  } catch (error) {
    expect(error).toMatchObject({ code: "STORE_FAILED" });
  }
}

test("G7: 20,000 timers, 10 kills, more than memory holds: each fires once, none early, in order of time, 99 of 100 within 100 ms", async () => {
  const rig = await Rig.with(["work"], { timersMax: 500 });
  const random = new SeededRandom(7);
  const startMs = rig.clock.nowMs();
  const dueOf = new Map<string, number>();
  for (let batch = 0; batch < 20; batch++) {
    const messages = Array.from({ length: 1_000 }, (_, index) => {
      const notBeforeMs = startMs + 1 + (random.uint32() % 60_000);
      dueOf.set(`${batch}.${index}`, notBeforeMs);
      return message(`${batch}.${index}`, { notBeforeMs });
    });
    await rig.enqueue("work", ...messages);
  }
  const firings: [name: string, atMs: number][] = [];
  const killsMs: number[] = [];
  void recordFirings(rig, "work", firings);
  for (let kill = 0; kill < 10; kill++) {
    await rig.clock.advance(5_000 + (random.uint32() % 900));
    rig.crash();
    killsMs.push(rig.clock.nowMs());
    void recordFirings(rig, "work", firings);
  }
  await rig.clock.advance(startMs + 62_000 - rig.clock.nowMs());

  expect(new Set(firings.map(([name]) => name)).size).toBe(20_000);
  expect(firings).toHaveLength(20_000);
  const late = firings.map(([name, atMs]) => atMs - (dueOf.get(name) ?? Number.NaN));
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...late)).toBeLessThanOrEqual(graceMs + lateMsMax);
  const afterKill = (dueMs: number) =>
    killsMs.some((killMs) => dueMs >= killMs && dueMs <= killMs + graceMs);
  const up = firings.filter(([name]) => !afterKill(dueOf.get(name) ?? 0));
  expect(up.length).toBeGreaterThan(15_000);
  const lateWhileUp = up.map(([name, atMs]) => atMs - (dueOf.get(name) ?? 0));
  expect(quantile(lateWhileUp, 0.99)).toBeLessThanOrEqual(lateMsMax);
  const times = up.map(([name]) => dueOf.get(name) ?? 0);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

test("G7: what was overdue at a restart fires as soon as claims have had their time, all of it", async () => {
  const rig = await Rig.with(["work"], { timersMax: 500 });
  const dueMs = rig.clock.nowMs() + 5_000;
  for (let batch = 0; batch < 10; batch++) {
    const messages = Array.from({ length: 1_000 }, (_, index) =>
      // Half of them one after the other, under a hundred keys.
      message(`${batch}.${index}`, {
        notBeforeMs: dueMs + batch,
        ...(index % 2 === 0 ? {} : { key: `key-${index % 100}` }),
      }),
    );
    await rig.enqueue("work", ...messages);
  }
  rig.storage.lose();
  await rig.clock.advance(60_000);
  rig.crash();
  const restartMs = rig.clock.nowMs();
  const firings: [name: string, atMs: number][] = [];
  void recordFirings(rig, "work", firings);
  await rig.clock.advance(5_000);
  expect(new Set(firings.map(([name]) => name)).size).toBe(10_000);
  expect(firings).toHaveLength(10_000);
  const late = firings.map(([, atMs]) => atMs - restartMs);
  expect(Math.max(...late)).toBeLessThanOrEqual(graceMs + lateMsMax);
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

test("G7: a retry without a delay is due at once, whatever the clock of the next owner says", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 0 });
  const nowMs = rig.clock.nowMs();
  await rig.enqueue("work", message("tried"));
  rig.clock.setWallClock(nowMs + 3_600_000);
  const reader = rig.receive("work");
  const settlements = (await reader.take()).map((delivery) =>
    settlement(delivery, { kind: "retry", delayMs: 0, error }),
  );
  const settling = rig.broker.queues.settle(settlements);
  // Before it is offered again, which would bring it back by itself.
  await reader.stop();
  await rig.run(settling);
  rig.clock.setWallClock(nowMs);
  rig.crash();
  expect(await rig.receive("work").texts()).toEqual(["tried"]);
});

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * values.length)] as number;
}
