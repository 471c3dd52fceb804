/** What the seeds of one run of the tests contain: at least what each promise asks for. */
import { expect, test } from "vitest";
import { atLeastOnce } from "../../../src/testing/simulator/checkers/at-least-once.ts";
import { atMostOnce } from "../../../src/testing/simulator/checkers/at-most-once.ts";
import type { Checker } from "../../../src/testing/simulator/checkers/checker.ts";
import { deadLetters } from "../../../src/testing/simulator/checkers/dead-letters.ts";
import { effectsOnce } from "../../../src/testing/simulator/checkers/effects.ts";
import { keyOrder } from "../../../src/testing/simulator/checkers/order.ts";
import { expiry, schedule } from "../../../src/testing/simulator/checkers/schedule.ts";
import { type Plan, planOf } from "../../../src/testing/simulator/plan.ts";
import { scenarios } from "../../../src/testing/simulator/scenarios/scenarios.ts";

const plans = Array.from({ length: 10_000 }, (_, seed) => planOf(seed));
const kills = new Set(["kill", "kill-in-commit", "power-cut"]);

test("every seed has at least 50 messages and one fault", () => {
  expect(Math.min(...plans.map(({ messages }) => messages))).toBeGreaterThanOrEqual(50);
  expect(Math.min(...plans.map(({ faults }) => faults.length))).toBeGreaterThanOrEqual(1);
});

test("G1: 2,000 seeds and 30 kills look for second starts", () => {
  const checked = plansWith(atMostOnce);
  expect(checked.length).toBeGreaterThanOrEqual(2_000);
  expect(faultsOf(checked, kills)).toBeGreaterThanOrEqual(30);
});

test("G2: 5,000 seeds, 30 kills and 100 disk errors look for lost messages", () => {
  const checked = plansWith(atLeastOnce);
  expect(checked.length).toBeGreaterThanOrEqual(5_000);
  expect(faultsOf(checked, kills)).toBeGreaterThanOrEqual(30);
  expect(faultsOf(checked, new Set(["disk"]))).toBeGreaterThanOrEqual(100);
});

test("G3 and G4: thousands of seeds look for double effects, hundreds for order under 20 faults", () => {
  expect(plansWith(effectsOnce).length).toBeGreaterThanOrEqual(5_000);
  const ordered = plansWith(keyOrder);
  expect(ordered.length).toBeGreaterThanOrEqual(1_000);
  expect(ordered.flatMap(({ faults }) => faults).length).toBeGreaterThanOrEqual(20);
});

test("G6: 20,000 messages that expire meet a clock that jumps", () => {
  const jumping = plansWith(expiry).filter(({ faults }) =>
    faults.some(({ kind }) => kind === "wall-clock"),
  );
  expect(messagesOf(jumping)).toBeGreaterThanOrEqual(20_000);
});

test("F7: wall clocks jump in every scenario, in more than a hundred seeds each", () => {
  for (const { name } of scenarios) {
    const jumping = plans.filter(
      ({ scenario, faults }) =>
        scenario.name === name && faults.some(({ kind }) => kind === "wall-clock"),
    );
    expect(jumping.length, name).toBeGreaterThan(100);
  }
});

test("G7: 20,000 timers and 10 kills", () => {
  const checked = plansWith(schedule);
  expect(messagesOf(checked)).toBeGreaterThanOrEqual(20_000);
  expect(faultsOf(checked, kills)).toBeGreaterThanOrEqual(10);
});

test("G8: 2,000 messages and 20 kills where dead letters have no room", () => {
  const checked = plansWith(deadLetters).filter(({ scenario }) => scenario.limits !== undefined);
  expect(messagesOf(checked)).toBeGreaterThanOrEqual(2_000);
  expect(faultsOf(checked, kills)).toBeGreaterThanOrEqual(20);
});

function plansWith(checker: Checker): readonly Plan[] {
  return plans.filter(({ scenario }) => scenario.checkers.includes(checker));
}

function messagesOf(some: readonly Plan[]): number {
  return some.reduce((sum, { messages }) => sum + messages, 0);
}

function faultsOf(some: readonly Plan[], kinds: ReadonlySet<string>): number {
  return some.flatMap(({ faults }) => faults).filter(({ kind }) => kinds.has(kind)).length;
}
