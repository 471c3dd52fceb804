import { expect, test } from "vitest";
import { RingBuffer } from "../../src/runtime/ring-buffer.ts";
import { fc } from "../support/properties.ts";

test("behaves like a plain array used as a queue", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer() },
    { weight: 1, arbitrary: fc.record({ first: fc.integer() }) },
    { weight: 5, arbitrary: fc.constant("shift" as const) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  );
  const itemsMax = fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined });
  fc.assert(
    fc.property(itemsMax, fc.array(step, { size: "large", maxLength: 400 }), (limit, steps) => {
      const buffer = new RingBuffer<number>(limit === undefined ? {} : { itemsMax: limit });
      const model: number[] = [];
      for (const next of steps) {
        if (next === "shift") {
          expect(buffer.shift()).toBe(model.shift());
        } else if (next === "clear") {
          buffer.clear();
          model.length = 0;
        } else {
          const room = model.length < (limit ?? Number.POSITIVE_INFINITY);
          if (room) typeof next === "number" ? model.push(next) : model.unshift(next.first);
          const taken = typeof next === "number" ? buffer.push(next) : buffer.unshift(next.first);
          expect(taken).toBe(room);
        }
        expect(buffer.size).toBe(model.length);
        expect(buffer.full).toBe(model.length === limit);
        expect(buffer.peek()).toBe(model[0]);
        expect([...buffer]).toEqual(model);
      }
    }),
  );
});

test("a burst of many comes out in order, and the buffer goes on after it", () => {
  const buffer = new RingBuffer<number>();
  for (let burst = 0; burst < 3; burst++) {
    for (let item = 0; item < 5_000; item++) buffer.push(item);
    for (let item = 0; item < 5_000; item++) expect(buffer.shift()).toBe(item);
    expect(buffer.shift()).toBeUndefined();
  }
});

test("a limit below one is refused", () => {
  expect(() => new RingBuffer({ itemsMax: 0 })).toThrow("itemsMax: 0");
  expect(() => new RingBuffer({ itemsMax: Number.NaN })).toThrow("itemsMax: NaN");
});

test("buffers that were never used share nothing that one of them could change", () => {
  const [one, other] = [new RingBuffer<string>(), new RingBuffer<string>()];
  one.push("a");
  expect([other.peek(), other.size, other.shift()]).toEqual([undefined, 0, undefined]);
  other.push("b");
  expect([...one, ...other]).toEqual(["a", "b"]);
});
