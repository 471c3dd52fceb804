import { expect, test } from "vitest";
import { batching, batchOptions } from "../../src/delivery/batch.ts";
import type { ColloquyError } from "../../src/errors.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fc } from "../support/properties.ts";

const wanted = { signal: new AbortController().signal };

test("each gets its own result or error, whatever comes when, and nobody waits too long", async () => {
  const arrivals = fc.array(
    fc.record({ waitMs: fc.integer({ min: 0, max: 8 }), fails: fc.boolean() }),
    { minLength: 1, maxLength: 100 },
  );
  await fc.assert(
    fc.asyncProperty(arrivals, fc.integer({ min: 1, max: 10 }), async (messages, sizeMax) => {
      const clock = new VirtualClock();
      const arrivedAtMs: number[] = [];
      const handled: number[] = [];
      const handle = batching(
        (inputs: readonly number[]) => {
          expect(inputs.length).toBeLessThanOrEqual(sizeMax);
          for (const input of inputs) {
            expect(clock.monotonicMs() - (arrivedAtMs[input] ?? 0)).toBeLessThanOrEqual(10);
          }
          handled.push(...inputs);
          return inputs.map((input) =>
            messages[input]?.fails ? new Error(`${input}`) : input * 2,
          );
        },
        { sizeMax, waitMs: 10 },
        clock,
      );
      const answers: Promise<unknown>[] = [];
      for (const [index, { waitMs }] of messages.entries()) {
        await clock.advance(waitMs);
        arrivedAtMs.push(clock.monotonicMs());
        answers.push(handle(index, wanted).catch((error: Error) => error.message));
      }
      await clock.advance(10);
      expect(await Promise.all(answers)).toEqual(
        messages.map(({ fails }, index) => (fails ? `${index}` : index * 2)),
      );
      expect(handled).toEqual(messages.map((_, index) => index));
    }),
    { numRuns: 50 },
  );
});

test("a full batch does not wait", async () => {
  const clock = new VirtualClock();
  const sizes: number[] = [];
  const handle = batching(
    (inputs: readonly number[]) => {
      sizes.push(inputs.length);
      return inputs;
    },
    { sizeMax: 3, waitMs: 1_000 },
    clock,
  );
  const answers = [1, 2, 3, 4, 5, 6, 7].map((input) => handle(input, wanted));
  expect(sizes).toEqual([3, 3]);
  await clock.advance(1_000);
  expect(sizes).toEqual([3, 3, 1]);
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test.each([
  ["throws", () => Promise.reject(new Error("all down")), /all down/],
  ["forgets a result", (inputs: readonly unknown[]) => inputs.slice(1), /array of 2 results/],
  ["returns no array", () => undefined as never, /array of 2 results/],
])("where the handler %s, every message of the batch fails", async (_what, handler, why) => {
  const clock = new VirtualClock();
  const handle = batching<number, typeof wanted>(handler, { sizeMax: 2, waitMs: 10 }, clock);
  const answers = [handle(1, wanted), handle(2, wanted)];
  for (const answer of answers) await expect(answer).rejects.toThrow(why);
});

test("whose caller has left while it waited is not handled", async () => {
  const clock = new VirtualClock();
  const batches: (readonly number[])[] = [];
  const handle = batching(
    (inputs: readonly number[]) => {
      batches.push(inputs);
      return inputs;
    },
    { sizeMax: 10, waitMs: 10 },
    clock,
  );
  const leaving = new AbortController();
  const left = handle(1, leaving).catch((error: ColloquyError) => error.code);
  const stays = handle(2, wanted);
  leaving.abort();
  await clock.advance(10);
  expect(await left).toBe("CANCELLED");
  expect(await stays).toBe(2);
  expect(batches).toEqual([[2]]);
});

test.each([
  [{ sizeMax: 0 }, "batch.sizeMax"],
  [{ sizeMax: 2.5 }, "batch.sizeMax"],
  [{ waitMs: -1 }, "batch.waitMs"],
])("options that make no sense are refused by name: %o", (given, field) => {
  expect(() => batchOptions(given)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: expect.objectContaining({ field }),
    }),
  );
});
