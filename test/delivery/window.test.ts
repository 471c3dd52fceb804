import { expect, test } from "vitest";
import { SendWindow, windowOptions } from "../../src/delivery/window.ts";
import { ColloquyError } from "../../src/errors.ts";
import { Deferred } from "../../src/runtime/deferred.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fc } from "../support/properties.ts";

const stored = { settled: () => Promise.resolve() };

function open(sendsMax: number, until: "stored" | "settled" = "stored") {
  return new SendWindow({ sendsMax, until });
}

test("never more than the window are on their way to one destination, in order, and all get there", async () => {
  const sends = fc.array(
    fc.record({
      to: fc.constantFrom("a", "b"),
      takesMs: fc.integer({ min: 0, max: 50 }),
      fails: fc.boolean(),
      leavesAfterMs: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
    }),
    { maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(sends, fc.integer({ min: 1, max: 5 }), async (all, sendsMax) => {
      const clock = new VirtualClock();
      const window = open(sendsMax);
      const sending = { a: 0, b: 0 };
      const begun = { a: [] as number[], b: [] as number[] };
      const outcomes = all.map(({ to, takesMs, fails, leavesAfterMs }, index) => {
        const leaving = new AbortController();
        if (leavesAfterMs !== undefined) clock.setTimer(leavesAfterMs, () => leaving.abort());
        const send = async () => {
          begun[to].push(index);
          sending[to]++;
          expect(sending[to]).toBeLessThanOrEqual(sendsMax);
          await new Promise<void>((resolve) => clock.setTimer(takesMs, resolve));
          sending[to]--;
          if (fails) throw new ColloquyError("QUEUE_FULL", "no room");
          return stored;
        };
        return window.run(to, send, leaving.signal).then(
          () => "stored",
          (error: ColloquyError) => error.code,
        );
      });
      const codes = await clock.until(Promise.all(outcomes));
      for (const [index, { to, fails, leavesAfterMs }] of all.entries()) {
        const ran = begun[to].includes(index);
        if (ran) expect(codes[index]).toBe(fails ? "QUEUE_FULL" : "stored");
        else {
          expect(codes[index]).toBe("CANCELLED");
          expect(leavesAfterMs).toBeDefined();
        }
      }
      for (const order of [begun.a, begun.b])
        expect(order).toEqual([...order].sort((x, y) => x - y));
      expect(window.size).toBe(0);
    }),
    { numRuns: 100 },
  );
});

test("until it is settled, a stored send keeps its place, whatever comes of it", async () => {
  const clock = new VirtualClock();
  const window = open(1, "settled");
  const first = new Deferred<void>();
  const begun: number[] = [];
  const send = (n: number, settled: () => Promise<unknown>) =>
    window.run(
      "a",
      async () => {
        begun.push(n);
        return { settled };
      },
      undefined,
    );
  await send(1, () => first.promise);
  const second = send(2, () => Promise.reject(new Error("lost sight of it")));
  const third = send(3, () => Promise.resolve());
  await clock.settle();
  expect(begun).toEqual([1]);
  first.resolve();
  await Promise.all([second, third]);
  expect(begun).toEqual([1, 2, 3]);
});

test("closing refuses those who wait, and lets go what is on its way", async () => {
  const window = open(1);
  const gate = new Deferred<typeof stored>();
  const first = window.run("a", () => gate.promise, undefined);
  const second = window.run("a", () => Promise.resolve(stored), undefined);
  window.close(new ColloquyError("CLOSED", "over"));
  await expect(second).rejects.toMatchObject({ code: "CLOSED" });
  const third = window.run("a", () => Promise.resolve(stored), undefined);
  await expect(third).rejects.toMatchObject({ code: "CLOSED" });
  expect(await window.run("b", () => Promise.resolve(stored), undefined)).toBe(stored);
  gate.resolve(stored);
  expect(await first).toBe(stored);
  expect(window.size).toBe(0);
});

test("a signal that has aborted already sends nothing, and takes no place", async () => {
  const window = open(1);
  const send = () => Promise.reject(new Error("must not run"));
  const aborted = AbortSignal.abort();
  await expect(window.run("a", send, aborted)).rejects.toMatchObject({ code: "CANCELLED" });
  expect(window.size).toBe(0);
});

test.each([
  [{ sendsMax: 0 }, "sendWindow.sendsMax"],
  [{ until: "delivered" as "stored" }, "sendWindow.until"],
])("options that make no sense are refused by name: %o", (given, field) => {
  expect(() => windowOptions(given)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: expect.objectContaining({ field }),
    }),
  );
});
