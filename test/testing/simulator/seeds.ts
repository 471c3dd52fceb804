/** Seeds that must keep every promise: a fresh range in every run, and those that once did not, for ever. */
import { expect, test } from "vitest";
import { type PlanOptions, planOf } from "../../../src/testing/simulator/plan.ts";
import { reportOf } from "../../../src/testing/simulator/report.ts";
import { runPlan } from "../../../src/testing/simulator/run.ts";
import { shrink } from "../../../src/testing/simulator/shrink.ts";

/** Seeds in one test, so that a failure is told soon. */
const seedsPerTest = 500;

/** Declares tests for `count` seeds from `from` on. */
export function everySeedKeepsThePromises(from: number, count: number): void {
  for (let first = from; first < from + count; first += seedsPerTest) {
    const last = Math.min(first + seedsPerTest, from + count) - 1;
    test(`G1-G8: seeds ${first} to ${last} keep every promise`, async () => {
      for (let seed = first; seed <= last; seed++) await expectKept(seed);
    }, 120_000);
  }
}

/** Fails with the smallest run that breaks the same promise, and the command that repeats it. */
export async function expectKept(seed: number, options: PlanOptions = {}): Promise<void> {
  const result = await runPlan(planOf(seed, options));
  // Lets the event loop turn, and what nobody handled come up here.
  await new Promise(setImmediate);
  if (result.violations.length > 0) expect.fail(reportOf(await shrink(result, options)));
}
