import { expect, test } from "vitest";
import { TurnTime } from "../../src/runtime/turn-time.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

test("time stands still within a turn, and is looked at again in the next", async () => {
  const clock = new VirtualClock();
  const turn = new TurnTime(clock);
  const looks: (readonly [number, number])[] = [];
  const look = () =>
    looks.push([turn.monotonicMs() - clock.monotonicMs(), turn.nowMs() - clock.nowMs()]);
  look();
  clock.setTimer(10, look);
  clock.setTimer(25, look);
  await clock.advance(30);
  look();
  expect(looks).toEqual([
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
  ]);
});

test("what was read first holds until what waits behind it has had its turn", async () => {
  const waiting: (() => void)[] = [];
  let nowMs = 1;
  const clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs + 0.5,
    setTimer: () => ({ cancel() {} }),
    defer: (run: () => void) => void waiting.push(run),
  };
  const turn = new TurnTime(clock);
  expect([turn.nowMs(), turn.monotonicMs()]).toEqual([1, 1.5]);
  nowMs = 7;
  expect([turn.nowMs(), turn.monotonicMs()]).toEqual([1, 1.5]);
  expect(waiting.length).toBe(1);
  waiting.shift()?.();
  expect([turn.nowMs(), turn.monotonicMs()]).toEqual([7, 7.5]);
});
