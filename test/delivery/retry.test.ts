import { expect, test } from "vitest";
import { defaultRetry, Retries, retryDelayMs, retryPolicy } from "../../src/delivery/retry.ts";
import { ColloquyError } from "../../src/errors.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fc } from "../support/properties.ts";

const retries = (policy = {}, clock = new VirtualClock()) =>
  new Retries(retryPolicy(policy), clock, new SeededRandom(1));
const none = { failures: 0, pickups: 0, crashes: 0 };

test("delays stay below a ceiling that doubles up to the cap", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0 }), (attempt, seed) => {
      const policy = { ...defaultRetry, attemptsMax: 50, baseMs: 100, capMs: 500 };
      const delayMs = retryDelayMs(attempt, policy, new SeededRandom(seed));
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThan(Math.min(500, 100 * 2 ** (attempt - 1)));
    }),
  );
});

test("an ordinary error is retried until the attempts are used up, and then dead", () => {
  const error = new Error("boom");
  const outcome = (failures: number) => retries().outcomeOf(error, { ...none, failures }).kind;
  expect([outcome(0), outcome(1), outcome(2)]).toEqual(["retry", "retry", "dead"]);
});

test("a final error is the handler's answer at once, a retryable one is not", () => {
  const final = new ColloquyError("FORBIDDEN", "no");
  const passing = new ColloquyError("RATE_LIMITED", "later");
  expect(retries().outcomeOf(final, none).kind).toBe("failed");
  expect(retries().outcomeOf(passing, none).kind).toBe("retry");
});

test("a policy that makes no sense is refused by name", () => {
  expect(() => retryPolicy({ attemptsMax: 0 })).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: { field: "retry.attemptsMax", value: "0", limit: "a whole number, 1 or more" },
    }),
  );
  expect(() => retryPolicy({ capMs: Number.NaN })).toThrow(/retry.capMs/);
});

test("who refused may ask for a longer wait, and gets it", () => {
  const later = new ColloquyError("RATE_LIMITED", "later", { details: { retryAfterMs: 45_000 } });
  expect(retries().outcomeOf(later, none)).toMatchObject({ kind: "retry", delayMs: 45_000 });
});

test("retries beyond a tenth of the first starts wait for half the cap at least", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5_000 }), (starts) => {
      const some = retries({ baseMs: 10, capMs: 1_000 });
      for (let start = 0; start < starts; start++) some.begun();
      const soon = () => {
        const outcome = some.outcomeOf(new Error("down"), none);
        return outcome.kind === "retry" && outcome.delayMs < 500;
      };
      let retried = 0;
      while (soon()) retried++;
      // 100 that the budget holds at most: who was quiet may retry so many at once.
      expect(retried).toBe(100);
    }),
  );
});

test("in the long run one retry is soon for every ten first starts, and one a second", async () => {
  const clock = new VirtualClock();
  const some = retries({ baseMs: 10, capMs: 1_000 }, clock);
  const soon = () => {
    const outcome = some.outcomeOf(new Error("down"), none);
    return outcome.kind === "retry" && outcome.delayMs < 500;
  };
  while (soon());
  let retried = 0;
  for (let start = 0; start < 1_000; start++) {
    some.begun();
    if (soon()) retried++;
  }
  expect(retried).toBeGreaterThanOrEqual(99);
  expect(retried).toBeLessThanOrEqual(100);
  await clock.advance(10_000);
  let later = 0;
  while (soon()) later++;
  expect(later).toBeGreaterThanOrEqual(10);
  expect(later).toBeLessThanOrEqual(11);
});

test("an attempt undone by a conflict is no sign of overload, and costs no budget", () => {
  const some = retries({ baseMs: 10, capMs: 1_000, budget: 0 });
  const lost = new ColloquyError("CONFLICT", "somebody was quicker", { retryable: true });
  for (let race = 0; race < 500; race++) {
    const outcome = some.outcomeOf(lost, none);
    expect(outcome.kind === "retry" && outcome.delayMs < 500).toBe(true);
  }
});
