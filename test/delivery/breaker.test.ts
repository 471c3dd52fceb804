import { expect, test } from "vitest";
import { Breakers, breakerOptions, defaultBreaker } from "../../src/delivery/breaker.ts";
import { ColloquyError } from "../../src/errors.ts";
import { Deferred } from "../../src/runtime/deferred.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fc } from "../support/properties.ts";

const down = () => Promise.reject(new ColloquyError("TIMEOUT", "silence"));
const well = () => Promise.resolve("pong");

function open(options = {}) {
  const clock = new VirtualClock();
  const breakers = new Breakers({ ...defaultBreaker, ...options }, clock);
  /** The code of what a call came to; "done" when it came to something. */
  const call = (ask: () => Promise<unknown> = well, to = "agent:a") =>
    breakers.run(to, ask).then(
      () => "done",
      (error: ColloquyError) => error.code,
    );
  return { clock, breakers, call };
}

async function failing(call: (ask: () => Promise<unknown>) => Promise<string>, times: number) {
  for (let time = 0; time < times; time++) expect(await call(down)).toBe("TIMEOUT");
}

test("five failures in a row open it, the refusal says for how long, and a probe closes it", async () => {
  const { clock, breakers, call } = open();
  await failing(call, 4);
  expect(await call()).toBe("done");
  await failing(call, 5);
  await clock.advance(10_000);
  await expect(breakers.run("agent:a", well)).rejects.toMatchObject({
    code: "CIRCUIT_OPEN",
    retryable: true,
    details: { destination: "agent:a", retryAfterMs: 20_000 },
  });
  expect(await call(well, "agent:b")).toBe("done");
  await clock.advance(20_000);
  expect(await call()).toBe("done");
  await failing(call, 4);
  expect(await call()).toBe("done");
  expect(breakers.size).toBe(0);
});

test("failures further apart than the window do not open it", async () => {
  const { clock, call } = open();
  for (let time = 0; time < 20; time++) {
    await failing(call, 1);
    await clock.advance(2_501);
  }
  expect(await call()).toBe("done");
});

test("one call at a time probes, and a probe that fails opens it again", async () => {
  const { clock, call } = open();
  await failing(call, 5);
  await clock.advance(30_000);
  const answer = new Deferred<string>();
  const probe = call(() => answer.promise);
  expect(await call()).toBe("CIRCUIT_OPEN");
  answer.reject(new ColloquyError("TIMEOUT", "silence"));
  expect(await probe).toBe("TIMEOUT");
  expect(await call()).toBe("CIRCUIT_OPEN");
  await clock.advance(30_000);
  expect(await call()).toBe("done");
});

test("a probe that hangs keeps the others out for the recovery time, not for ever", async () => {
  const { clock, call } = open();
  await failing(call, 5);
  await clock.advance(30_000);
  const answer = new Deferred<string>();
  const hung = call(() => answer.promise);
  await clock.advance(29_999);
  expect(await call()).toBe("CIRCUIT_OPEN");
  await clock.advance(1);
  expect(await call()).toBe("done");
  // What the hung one comes to later says nothing about the present.
  answer.reject(new ColloquyError("TIMEOUT", "silence"));
  expect(await hung).toBe("TIMEOUT");
  expect(await call()).toBe("done");
});

test("a probe whose caller left lets the next call probe", async () => {
  const { clock, call } = open();
  await failing(call, 5);
  await clock.advance(30_000);
  expect(await call(() => Promise.reject(new ColloquyError("CANCELLED", "left")))).toBe(
    "CANCELLED",
  );
  expect(await call()).toBe("done");
});

test("an answer that is an error closes it: somebody is there", async () => {
  const { call } = open();
  const refusing = () => Promise.reject(new ColloquyError("FORBIDDEN", "not you"));
  for (let time = 0; time < 20; time++) {
    await failing(call, 4);
    expect(await call(refusing)).toBe("FORBIDDEN");
  }
});

test("what was asked before it opened cannot close it", async () => {
  const { call } = open();
  const answer = new Deferred<string>();
  const early = call(() => answer.promise);
  await failing(call, 5);
  answer.resolve("pong");
  expect(await early).toBe("done");
  expect(await call()).toBe("CIRCUIT_OPEN");
});

test("no more destinations are remembered than were allowed", async () => {
  const { breakers, call } = open({ destinationsMax: 3 });
  for (let other = 0; other < 50; other++) {
    expect(await call(down, `agent:${other}`)).toBe("TIMEOUT");
    expect(breakers.size).toBeLessThanOrEqual(3);
  }
});

type Step = { readonly waitMs: number; readonly fails: boolean };

test("for any history: never asked while open, and never shut for longer than the recovery time", async () => {
  const steps = fc.array(
    fc.record({ waitMs: fc.integer({ min: 0, max: 12_000 }), fails: fc.boolean() }),
    { minLength: 20, maxLength: 200 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (history: readonly Step[]) => {
      const { clock, call } = open();
      const failedAtMs: number[] = [];
      for (const { waitMs, fails } of history) {
        await clock.advance(waitMs);
        const nowMs = clock.monotonicMs();
        const [first, last] = [failedAtMs.at(-5), failedAtMs.at(-1)];
        const mustRefuse =
          first !== undefined &&
          last !== undefined &&
          last - first <= 10_000 &&
          nowMs - last < 30_000;
        let asked = false;
        await call(() => {
          asked = true;
          return fails ? down() : well();
        });
        expect(asked && mustRefuse).toBe(false);
        if (!asked) {
          const lastOfAll = failedAtMs.at(-1) ?? Number.NEGATIVE_INFINITY;
          expect(failedAtMs.length).toBeGreaterThanOrEqual(5);
          expect(nowMs - lastOfAll).toBeLessThan(30_000);
        } else if (fails) failedAtMs.push(nowMs);
        else failedAtMs.length = 0;
      }
    }),
    { numRuns: 200 },
  );
});

test.each([
  [{ failuresMax: 0 }, "breaker.failuresMax"],
  [{ recoveryMs: 0 }, "breaker.recoveryMs"],
  [{ windowMs: Number.NaN }, "breaker.windowMs"],
  [{ destinationsMax: 1.5 }, "breaker.destinationsMax"],
])("options that make no sense are refused by name: %o", (options, field) => {
  expect(() => breakerOptions(options)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: expect.objectContaining({ field }),
    }),
  );
});
