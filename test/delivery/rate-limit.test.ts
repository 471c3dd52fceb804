import { expect, test } from "vitest";
import { RateLimit, rateLimit } from "../../src/delivery/rate-limit.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fc } from "../support/properties.ts";

function open(given: Parameters<typeof rateLimit>[0] = true) {
  const clock = new VirtualClock();
  const options = rateLimit(given);
  if (options === undefined) throw new Error("it is off");
  return { clock, limit: new RateLimit(options, clock) };
}

test("a hundred at once, then the next when a minute's hundredth has passed", async () => {
  const { clock, limit } = open();
  for (let n = 0; n < 100; n++) expect(limit.refusal("a")).toBeUndefined();
  expect(limit.refusal("a")).toMatchObject({
    code: "RATE_LIMITED",
    retryable: true,
    details: { sender: "a", retryAfterMs: 600 },
  });
  expect(limit.refusal("b")).toBeUndefined();
  await clock.advance(599);
  expect(limit.refusal("a")?.details).toMatchObject({ retryAfterMs: 1 });
  await clock.advance(1);
  expect(limit.refusal("a")).toBeUndefined();
  expect(limit.refusal("a")).toBeDefined();
});

test("in any stretch of time a sender gets its burst and its rate at most, and never waits in vain", async () => {
  const waits = fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 50, maxLength: 300 });
  const settings = fc.record({
    messages: fc.integer({ min: 1, max: 50 }),
    perMs: fc.integer({ min: 100, max: 10_000 }),
    burst: fc.integer({ min: 1, max: 20 }),
  });
  await fc.assert(
    fc.asyncProperty(settings, waits, async (given, steps) => {
      const { clock, limit } = open(given);
      const takenAtMs: number[] = [];
      for (const waitMs of steps) {
        await clock.advance(waitMs);
        const refusal = limit.refusal("a");
        if (refusal === undefined) takenAtMs.push(clock.monotonicMs());
        else if (waitMs % 2 === 0) {
          await clock.advance(Number(refusal.details["retryAfterMs"]));
          expect(limit.refusal("a")).toBeUndefined();
          takenAtMs.push(clock.monotonicMs());
        }
      }
      for (const [from, startMs] of takenAtMs.entries()) {
        for (const [to, endMs] of takenAtMs.entries()) {
          if (to < from) continue;
          const allowed = given.burst + ((endMs - startMs) * given.messages) / given.perMs;
          expect(to - from + 1).toBeLessThanOrEqual(allowed + 1e-6);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test("the sender that was quiet longest is forgotten, and no more are kept than allowed", () => {
  const { limit } = open({ messages: 1, sendersMax: 2 });
  limit.refusal("a");
  limit.refusal("b");
  expect(limit.refusal("a")).toBeDefined();
  limit.refusal("c");
  expect(limit.size).toBe(2);
  expect(limit.refusal("a")).toBeDefined();
  expect(limit.refusal("b")).toBeUndefined();
});

test.each([
  [{ messages: 0 }, "rateLimit.messages"],
  [{ perMs: Number.POSITIVE_INFINITY }, "rateLimit.perMs"],
  [{ burst: 0.5 }, "rateLimit.burst"],
  [{ sendersMax: 0 }, "rateLimit.sendersMax"],
])("options that make no sense are refused by name: %o", (given, field) => {
  expect(() => rateLimit(given)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: expect.objectContaining({ field }),
    }),
  );
});
