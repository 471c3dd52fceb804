import { expect, test } from "vitest";
import { Heap } from "../../src/runtime/heap.ts";
import { fc } from "../support/properties.ts";

test("items come out in order, whatever was pushed and popped between", () => {
  const step = fc.oneof(fc.integer(), fc.constant("pop" as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new Heap<number>((a, b) => a < b);
      const model: number[] = [];
      for (const next of steps) {
        if (next === "pop") {
          model.sort((a, b) => a - b);
          expect(heap.pop()).toBe(model.shift());
        } else {
          heap.push(next);
          model.push(next);
        }
        expect(heap.size).toBe(model.length);
        expect(heap.peek()).toBe(model.length === 0 ? undefined : Math.min(...model));
      }
    }),
  );
});

test("a cleared heap is empty", () => {
  const heap = new Heap<number>((a, b) => a < b);
  heap.push(1);
  heap.clear();
  expect(heap.pop()).toBeUndefined();
  expect(heap.size).toBe(0);
});
