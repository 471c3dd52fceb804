import { expect, test } from "vitest";
import type { Delivery, Lane, Settlement } from "../../../src/broker/broker.ts";
import { ColloquyError, errorInfo } from "../../../src/errors.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { message, Rig, settlement, text } from "./rig.ts";

const error = errorInfo(new ColloquyError("HANDLER_FAILED", "no"));

/** COLLOQUY_MESSAGES=10000000 for a soak, with 10,000 keys. */
const total = Number(process.env["COLLOQUY_MESSAGES"] ?? 100_000);
const keys = Math.min(10_000, total / 100);

/** Everything about a message follows from its number. */
function orderOf(number: number): { readonly key: string; readonly lane: Lane } {
  const spread = Math.imul(number, 0x9e3779b1) >>> 0;
  return { key: `k${(spread >>> 8) % keys}`, lane: ((spread >>> 7) & 1) as Lane };
}

test(
  `G4: ${total} messages with ${keys} keys through retries, crashes, vanished receivers and restarts: no inversion`,
  async () => {
    const rig = await Rig.with(["work"], { windowMessagesMax: 200, reconnectGraceMs: 0 });
    const random = new SeededRandom(4);
    const lastOf = new Map<string, number>();
    let inversions = 0;
    let done = 0;
    let sent = 0;
    let faults = 0;
    let reader = rig.receive("work", { credit: 5_000 });

    const send = async () => {
      const batch = Array.from({ length: 10_000 }, () => {
        const number = sent++;
        return message(String(number), orderOf(number));
      });
      for (let at = 0; at < batch.length; at += 500) {
        await rig.enqueue("work", ...batch.slice(at, at + 500));
      }
    };
    const inHand = new Set<string>();
    const settleOf = (delivery: Delivery): Settlement => {
      const number = Number(text(delivery.frame));
      const { key: name, lane } = orderOf(number);
      const key = `${lane}/${name}`;
      if (inHand.has(key) || number < (lastOf.get(key) ?? -1)) inversions++;
      inHand.add(key);
      if (random.uint32() % 20 === 0) {
        return settlement(delivery, { kind: "retry", delayMs: random.uint32() % 50, error });
      }
      lastOf.set(key, number);
      done++;
      return settlement(delivery);
    };

    for (let round = 0; done < total; round++) {
      if (sent < total && sent - done < 50_000) await send();
      const taken = await reader.take();
      inHand.clear();
      const unsettled = round % 2 === 1 ? taken.length >> 1 : 0;
      const settlements = taken.slice(unsettled).map(settleOf);
      await rig.run(rig.broker.queues.settle(settlements));
      if (unsettled > 0) {
        await reader.stop();
        if (round % 4 === 3) await rig.restart();
        else rig.crash();
        reader = rig.receive("work", { credit: 5_000 });
        faults++;
      }
      await rig.clock.advance(10);
      expect(round).toBeLessThan(total / 20);
    }
    expect(inversions).toBe(0);
    expect(done).toBe(total);
    expect(faults).toBeGreaterThanOrEqual(Math.max(20, Math.min(500, total / 20_000)));
  },
  120_000 + total,
);

test("G4: a failed head blocks its key until it is final, and no other key or lane", async () => {
  const rig = await Rig.with(["work"]);
  const reader = rig.receive("work");
  await rig.enqueue(
    "work",
    message("x1", { key: "x" }),
    message("x2", { key: "x" }),
    message("y1", { key: "y" }),
    message("X1", { key: "x", lane: 0 }),
    message("free"),
  );
  expect(
    [...(await reader.settle({ kind: "retry", delayMs: 1_000, error }))]
      .map(({ frame }) => text(frame))
      .sort(),
  ).toEqual(["X1", "free", "x1", "y1"]);
  expect(await reader.texts()).toEqual([]);
  await rig.clock.advance(1_000);
  const again = await reader.settle();
  expect(again.map(({ frame }) => text(frame))).not.toContain("x2");
  expect(again.length).toBe(4);
  expect(await reader.texts()).toEqual(["x2"]);
});

test("G4: after a restart a head that waits for its retry still blocks its key", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 0 });
  await rig.enqueue("work", message("x1", { key: "x" }), message("x2", { key: "x" }));
  await rig.receive("work").settle({ kind: "retry", delayMs: 5_000, error });
  rig.crash();
  const reader = rig.receive("work");
  await rig.enqueue("work", message("y1", { key: "y" }));
  expect(await reader.texts()).toEqual(["y1"]);
  await rig.clock.advance(5_000);
  expect((await reader.settle()).map(({ frame }) => text(frame))).toEqual(["x1"]);
  expect(await reader.texts()).toEqual(["x2"]);
});

test("G4: one bad key with a long tail does not fill the window", async () => {
  const rig = await Rig.with(["work"], { windowMessagesMax: 16, windowBytesMax: 4_000 });
  const reader = rig.receive("work", { credit: 10 });
  const bad = Array.from({ length: 1_000 }, (_, index) => message(`bad ${index}`, { key: "bad" }));
  for (let at = 0; at < bad.length; at += 20) await rig.enqueue("work", ...bad.slice(at, at + 20));
  await reader.settle({ kind: "retry", delayMs: 60_000, error });
  await rig.enqueue("work", message("good", { key: "good" }));
  expect((await reader.settle()).map(({ frame }) => text(frame))).toEqual(["good"]);
  await rig.clock.advance(60_000);
  const order: string[] = [];
  for (let round = 0; round < bad.length; round++) {
    for (const each of await reader.settle()) order.push(text(each.frame));
  }
  expect(order).toEqual(bad.map((_, index) => `bad ${index}`));
});

test("a scheduled message takes its place by position when its time has come", async () => {
  const rig = await Rig.with(["work"], { windowMessagesMax: 4, windowBytesMax: 200 });
  const notBeforeMs = rig.clock.nowMs() + 1_000;
  await rig.enqueue("work", message("1", { key: "x" }));
  await rig.enqueue("work", message("2", { key: "x" }));
  await rig.enqueue("work", message("3 scheduled", { key: "x", notBeforeMs }));
  await rig.enqueue("work", message("4", { key: "x" }));
  await rig.clock.advance(2_000);
  await rig.restart();
  const reader = rig.receive("work");
  const order: string[] = [];
  for (let round = 0; round < 6; round++) {
    for (const { frame } of await reader.settle()) order.push(text(frame));
  }
  expect(order).toEqual(["1", "2", "3 scheduled", "4"]);
});
