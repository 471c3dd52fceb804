/** Seeds that must keep every promise: a fresh range in every run, and those that once did not, for ever. */
import { expect, test } from "vitest";
import { type PlanOptions, planOf } from "../../../src/testing/simulator/plan.ts";
import { reportOf } from "../../../src/testing/simulator/report.ts";
import { runPlan } from "../../../src/testing/simulator/run.ts";
import { shrink } from "../../../src/testing/simulator/shrink.ts";
import { extent } from "../../support/extent.ts";

/** Seeds in one test, so that a failure is told soon. */
const seedsPerTest = 500;

/** Of all test files together, half of them each, or as many as COLLOQUY_SEEDS says. */
export const seedsInAll: number = Number(
  process.env["COLLOQUY_SEEDS"] ?? extent({ ci: 10_000, here: 240 }),
);

/** Runs that broke a promise once, by what was wrong. Each has a test of its own where the fault was. */
export const knownSeeds: Readonly<Record<string, PlanOptions & { readonly seed: number }>> = {
  "G2: a repetition was rejected together with its group, and delivered": {
    seed: 193,
    scenario: "takeover",
    messages: 16,
    faults: [0, 1, 2],
  },
  "G3: a claim that came late brought a final message back": {
    seed: 513,
    scenario: "takeover",
    messages: 56,
    faults: [0, 1, 2],
  },
  "G7: what had been due was not any more when the clock was set back": {
    seed: 26,
    scenario: "schedule",
    messages: 7,
    faults: [0, 1, 2],
  },
  "G2: a retry without a delay was never due again, once the clock was set back and its owner had died":
    {
      seed: 81,
      scenario: "at-least-once",
      messages: 61,
      faults: [0, 1, 3],
    },
  "G8: a command that died while the dead letters were full never ended": {
    seed: 1,
    scenario: "dead-letters",
    messages: 54,
    faults: [],
  },
  "G2: what was removed with its mailbox was called done": {
    seed: 1,
    scenario: "mailbox-churn",
    messages: 12,
    faults: [],
  },
  "G2: a repetition was rejected because its mailbox was gone by then": {
    seed: 2302,
    scenario: "mailbox-churn",
    messages: 37,
    faults: [0, 1],
  },
  "G1: an at-most-once message came back when its receiver vanished and the disk was full": {
    seed: 7609,
    scenario: "at-most-once",
    messages: 4,
    faults: [0, 1, 3],
  },
  "waiting-input: an answer that had seemed to fail was given to the next question as well": {
    seed: 27,
    scenario: "questions",
    messages: 3,
    faults: [0, 1, 2, 3],
  },
  "requests: a started one was called not-started once that had been forgotten": {
    seed: 2074,
    scenario: "requests",
    messages: 69,
    faults: [0, 1],
  },
  "requests: a stream asked what had been lost before it could hear the answer, and stood still": {
    seed: 105,
    scenario: "requests",
    messages: 15,
    faults: [0],
  },
  "requests: one given up at work was called missing, sent again, and not taken": {
    seed: 1377,
    scenario: "requests",
    messages: 9,
    faults: [1, 2],
  },
  "requests: those to a process that had left were heard by nobody, and nobody said so": {
    seed: 1178,
    scenario: "requests",
    messages: 75,
    faults: [0, 1],
  },
  "requests: one that had timed out went on elsewhere": {
    seed: 22_106,
    scenario: "requests",
    messages: 73,
    faults: [0, 1],
  },
};

/** Declares tests for `count` seeds from `from` on. */
export function everySeedKeepsThePromises(from: number, count: number): void {
  for (let first = from; first < from + count; first += seedsPerTest) {
    const last = Math.min(first + seedsPerTest, from + count) - 1;
    test(`G1-G8: seeds ${first} to ${last} keep every promise`, async () => {
      for (let seed = first; seed <= last; seed++) await expectKept(seed);
    }, 600_000);
  }
}

/** Fails with the smallest run that breaks the same promise, and the command that repeats it. */
export async function expectKept(seed: number, options: PlanOptions = {}): Promise<void> {
  const result = await runPlan(planOf(seed, options));
  // Lets the event loop turn, and what nobody handled come up here.
  await new Promise(setImmediate);
  if (result.violations.length > 0) expect.fail(reportOf(await shrink(result, options)));
}
