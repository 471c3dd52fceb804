import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { ColloquyError } from "../../src/errors.ts";
import { cancelledError, onAbort, throwIfAborted, withAbort } from "../../src/runtime/abort.ts";
import { sleep } from "../../src/runtime/sleep.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

const cancelled = { code: "CANCELLED" };
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

test("the reason is the cause, and a CANCELLED reason is the error itself", () => {
  const reason = new Error("user closed the window");
  const error = cancelledError(AbortSignal.abort(reason));
  expect(error).toMatchObject({ ...cancelled, cause: reason });
  expect(error.message).toContain("user closed the window");

  const already = new ColloquyError("CANCELLED", "the caller gave up");
  expect(cancelledError(AbortSignal.abort(already))).toBe(already);
});

test("throwIfAborted throws only after an abort", () => {
  throwIfAborted(undefined);
  throwIfAborted(new AbortController().signal);
  expect(() => throwIfAborted(AbortSignal.abort())).toThrow(expect.objectContaining(cancelled));
});

test("onAbort runs at once, later, or never, and leaves no listener", () => {
  let runs = 0;
  const run = () => void runs++;
  onAbort(AbortSignal.abort(), run);
  expect(runs).toBe(1);

  const controller = new AbortController();
  onAbort(controller.signal, run);
  const forget = onAbort(controller.signal, () => expect.unreachable());
  forget();
  forget();
  controller.abort();
  expect(runs).toBe(2);
  expect(listeners(controller.signal)).toBe(0);
  onAbort(undefined, run)();
  expect(runs).toBe(2);
});

test("many wait behind one listener, run in order, and one may forget another on the way", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const order: number[] = [];
  const forget = Array.from({ length: 1_000 }, (_, index) =>
    onAbort(signal, () => {
      order.push(index);
      if (index === 20) forget[22]?.();
    }),
  );
  expect(listeners(signal)).toBe(1);
  for (const [index, one] of forget.entries()) if (index % 2 === 1) one();
  forget[12]?.();
  forget[12]?.();
  controller.abort();
  expect(order).toEqual(
    Array.from({ length: 500 }, (_, half) => 2 * half).filter(
      (index) => index !== 12 && index !== 22,
    ),
  );
  expect(listeners(signal)).toBe(0);
});

test("a signal that everybody forgot can be waited for again", () => {
  const controller = new AbortController();
  const forget = onAbort(controller.signal, () => expect.unreachable());
  forget();
  expect(listeners(controller.signal)).toBe(0);
  let runs = 0;
  onAbort(controller.signal, () => void runs++);
  forget();
  controller.abort();
  expect(runs).toBe(1);
});

test("withAbort passes both settlements on and rejects with CANCELLED in between", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  await expect(withAbort(Promise.resolve(1), undefined)).resolves.toBe(1);
  await expect(withAbort(Promise.resolve(1), signal)).resolves.toBe(1);
  await expect(withAbort(Promise.reject(new Error("planted")), signal)).rejects.toThrow("planted");
  expect(listeners(signal)).toBe(0);

  const waiting = withAbort(new Promise<never>(() => {}), signal);
  controller.abort();
  await expect(waiting).rejects.toMatchObject(cancelled);
  await expect(withAbort(new Promise<never>(() => {}), signal)).rejects.toMatchObject(cancelled);
  expect(listeners(signal)).toBe(0);
});

test("work that fails after the abort is nobody's unhandled rejection", async () => {
  let fail: (reason: Error) => void = () => {};
  const work = new Promise<never>((_, reject) => {
    fail = reject;
  });
  await expect(withAbort(work, AbortSignal.abort())).rejects.toMatchObject(cancelled);
  fail(new Error("late"));
});

test("sleep ends by time or by abort, and leaves neither timer nor listener", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  await clock.until(sleep(clock, 30, controller.signal));
  expect(clock.monotonicMs()).toBe(30);
  expect(listeners(controller.signal)).toBe(0);

  const woken = expect(sleep(clock, 1_000, controller.signal)).rejects.toMatchObject(cancelled);
  controller.abort();
  await woken;
  await clock.run();
  expect(clock.monotonicMs()).toBe(30);
  await expect(sleep(clock, 1, AbortSignal.abort())).rejects.toMatchObject(cancelled);
});
