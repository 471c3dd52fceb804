import fc from "fast-check";
import { expect, test } from "vitest";
import {
  defaultRetry,
  outcomeOfFailure,
  retryDelayMs,
  retryPolicy,
} from "../../src/delivery/retry.ts";
import { ColloquyError } from "../../src/errors.ts";
import { SeededRandom } from "../../src/runtime/random.ts";

const random = new SeededRandom(1);
const none = { failures: 0, pickups: 0, crashes: 0 };

test("delays stay below a ceiling that doubles up to the cap", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0 }), (attempt, seed) => {
      const policy = { attemptsMax: 50, baseMs: 100, capMs: 500 };
      const delayMs = retryDelayMs(attempt, policy, new SeededRandom(seed));
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThan(Math.min(500, 100 * 2 ** (attempt - 1)));
    }),
  );
});

test("an ordinary error is retried until the attempts are used up, and then dead", () => {
  const error = new Error("boom");
  const outcome = (failures: number) =>
    outcomeOfFailure(error, { ...none, failures }, defaultRetry, random).kind;
  expect([outcome(0), outcome(1), outcome(2)]).toEqual(["retry", "retry", "dead"]);
});

test("a final error is the handler's answer at once, a retryable one is not", () => {
  const final = new ColloquyError("FORBIDDEN", "no");
  const passing = new ColloquyError("RATE_LIMITED", "later");
  expect(outcomeOfFailure(final, none, defaultRetry, random).kind).toBe("failed");
  expect(outcomeOfFailure(passing, none, defaultRetry, random).kind).toBe("retry");
});

test("a policy that makes no sense is refused by name", () => {
  expect(() => retryPolicy({ attemptsMax: 0 })).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: { field: "retry.attemptsMax", value: 0 },
    }),
  );
  expect(() => retryPolicy({ capMs: Number.NaN })).toThrow(/retry.capMs/);
});
