import { expect, test } from "vitest";
import type { Outgoing } from "../../src/delivery/policy.ts";
import { repeating } from "../../src/delivery/repeat.ts";
import { requestRetry } from "../../src/delivery/retry.ts";
import { RetryBudget } from "../../src/delivery/retry-budget.ts";
import { ColloquyError } from "../../src/errors.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

test("who wakes up for the next attempt when the deadline has passed is told what the last one came to", async () => {
  const clock = new VirtualClock();
  // A busy process: its timers come late.
  const late: Clock = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, run) => clock.setTimer(delayMs + 5_000, run),
    defer: (run) => clock.defer(run),
  };
  const unknown = new ColloquyError("AGENT_UNREACHABLE", "gone", {
    retryable: true,
    details: { outcome: "unknown" },
  });
  let asked = 0;
  const ask = repeating<Outgoing>(
    async () => {
      asked++;
      throw unknown;
    },
    { clock: late, random: new SeededRandom(1), budget: new RetryBudget(clock) },
  );
  const request: Outgoing = {
    to: "agent:a",
    fallback: [],
    retry: requestRetry,
    idempotent: true,
    untilMs: clock.monotonicMs() + 3_000,
    signal: undefined,
  };
  await expect(clock.until(ask(request))).rejects.toBe(unknown);
  expect(asked).toBe(1);
});
