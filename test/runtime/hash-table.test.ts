import { expect, test } from "vitest";
import { HashTable } from "../../src/runtime/hash-table.ts";
import { fc } from "../support/properties.ts";

test("does what a Map does, whatever the keys", () => {
  const keys = fc.oneof(
    fc.nat(40),
    fc.maxSafeInteger(),
    fc.double(),
    fc.string({ maxLength: 2 }),
    fc.string({ minLength: 14, maxLength: 15 }),
  );
  const steps = fc.array(fc.tuple(fc.constantFrom("set", "delete", "has", "get"), keys), {
    maxLength: 400,
  });
  const followsMap = fc.property(steps, (taken) => {
    const table = new HashTable<string | number, number>();
    const map = new Map<string | number, number>();
    for (const [step, [operation, key]] of taken.entries()) {
      if (Number.isNaN(key)) continue;
      if (operation === "set") {
        table.set(key, step);
        map.set(key, step);
      } else if (operation === "delete") {
        expect(table.delete(key)).toBe(map.get(key));
        map.delete(key);
      } else {
        expect(table.has(key)).toBe(map.has(key));
        expect(table.get(key)).toBe(map.get(key));
      }
      expect(table.size).toBe(map.size);
    }
    expect(table.values().toSorted(ascending)).toEqual([...map.values()].toSorted(ascending));
  });
  void fc.assert(followsMap, { numRuns: 500 });
});

test("keys that fall on one slot find their own value, also when others between them go", () => {
  // Numbers this far apart are alike in the bits that choose among few slots.
  const keys = Array.from({ length: 300 }, (_, index) => index * 2 ** 40);
  const table = new HashTable<number, number>();
  for (const [index, key] of keys.entries()) table.set(key, index);
  for (const key of keys.slice(50, 250)) table.delete(key);
  expect(keys.map((key) => table.get(key))).toEqual(
    keys.map((_, index) => (index < 50 || index >= 250 ? index : undefined)),
  );
});

test("a burst is followed by the usual few, one after the other", () => {
  const table = new HashTable<number, number>();
  for (let key = 0; key < 100_000; key++) table.set(key, -key);
  expect(table.size).toBe(100_000);
  let wrong = 0;
  for (let key = 0; key < 100_000; key++) {
    if (table.delete(key) !== -key || table.has(key)) wrong++;
  }
  expect(wrong).toBe(0);
  expect(table.size).toBe(0);
  table.set(1, 2);
  expect(table.values()).toEqual([2]);
  table.clear();
  expect(table.values()).toEqual([]);
  expect(table.has(1)).toBe(false);
});

test("tables that have nothing in them share nothing that one of them could change", () => {
  const [one, other] = [new HashTable<number, string>(), new HashTable<number, string>()];
  one.set(1, "a");
  expect(other.get(1)).toBeUndefined();
  one.clear();
  other.set(2, "b");
  expect([one.get(2), one.size, other.get(2)]).toEqual([undefined, 0, "b"]);
  expect(one.delete(2)).toBeUndefined();
});

test("undefined is a value like any other", () => {
  const table = new HashTable<string, number | undefined>();
  table.set("a", undefined);
  expect(table.has("a")).toBe(true);
  expect(table.values()).toEqual([undefined]);
  table.delete("a");
  expect(table.has("a")).toBe(false);
});

function ascending(left: number, right: number): number {
  return left - right;
}
