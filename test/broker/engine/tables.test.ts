import { expect, test } from "vitest";
import { markerKey } from "../../../src/broker/engine/marker-key.ts";
import { MarkerTable } from "../../../src/broker/engine/marker-table.ts";
import { MemoryStorage } from "../../../src/broker/engine/memory-storage.ts";
import { compareNames } from "../../../src/broker/engine/names.ts";
import { SortedRows } from "../../../src/broker/engine/sorted-rows.ts";
import { fc } from "../../support/properties.ts";

test("sorted rows agree with a sorted list, whatever is set and deleted", () => {
  const step = fc.record({ key: fc.nat(2_000), set: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 3_000, size: "max" }), (steps) => {
      const rows = new SortedRows<{ key: number }>((a, b) => a.key - b.key);
      const model = new Set<number>();
      for (const { key, set } of steps) {
        const before = set ? rows.set({ key }) : rows.delete({ key });
        expect(before !== undefined).toBe(model.has(key));
        if (set) model.add(key);
        else model.delete(key);
      }
      const sorted = [...model].sort((a, b) => a - b);
      expect(rows.size).toBe(sorted.length);
      expect([...rows.from({ key: 0 })].map(({ key }) => key)).toEqual(sorted);
      for (const probe of [0, 500, 999, 2_000]) {
        const from = sorted.filter((key) => key >= probe);
        expect([...rows.from({ key: probe })].map(({ key }) => key)).toEqual(from);
        expect(rows.floor({ key: probe })?.key).toBe(sorted.findLast((key) => key <= probe));
        expect(rows.get({ key: probe }) !== undefined).toBe(model.has(probe));
      }
    }),
    { numRuns: 30 },
  );
});

test("names sort by their UTF-8 bytes", () => {
  const name = fc.string({ unit: "binary", maxLength: 6 });
  fc.assert(
    fc.property(name, name, (a, b) => {
      const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect(Math.sign(compareNames(a, b))).toBe(expected);
    }),
  );
});

test("a memory storage counts what it holds, refuses more than its limit, and lets itself be emptied", () => {
  const storage = new MemoryStorage({ bytesMax: 10_000 });
  const value = new Uint8Array(1_000);
  const fill = () => {
    for (let b = 0; b < 20; b++) storage.commit([{ table: "page", a: 0, b, value }]);
  };
  expect(fill).toThrow(expect.objectContaining({ code: "STORE_FAILED" }));
  const rows = storage.scan("page", 0, 0, 0, { rows: 100 });
  expect(rows.length).toBe(9);
  const whole = [
    { table: "queue", name: "q", value: new Uint8Array(1) },
    { table: "page", a: 0, b: 99, value },
  ] as const;
  expect(() => storage.commit(whole)).toThrow(expect.objectContaining({ code: "STORE_FAILED" }));
  expect(storage.readNamed("queue", "q")).toBeUndefined();
  storage.commit([
    { table: "settled", a: 0, b: 1, value: new Uint8Array(1) },
    ...rows.map(({ a, b }) => ({ table: "page", a, b, value: undefined }) as const),
  ]);
  storage.commit([{ table: "settled", a: 0, b: 1, value: undefined }]);
  expect(storage.bytes).toBe(0);
});

test("the marker table agrees with a map, whatever is added and deleted", () => {
  const step = fc.record({ word: fc.nat(3_000), add: fc.boolean() });
  fc.assert(
    fc.property(fc.integer(), fc.array(step, { maxLength: 4_000, size: "max" }), (seed, steps) => {
      const table = new MarkerTable(seed);
      const model = new Map<number, number>();
      for (const { word, add } of steps) {
        const key = Uint32Array.of(0, word >> 4, 7, word & 15);
        if (!add) {
          table.delete(key);
          model.delete(word);
        } else if (!model.has(word)) {
          table.add(key, word + 1);
          model.set(word, word + 1);
        }
      }
      expect(table.size).toBe(model.size);
      for (let word = 0; word <= 3_000; word++) {
        expect(table.get(Uint32Array.of(0, word >> 4, 7, word & 15))).toBe(model.get(word) ?? 0);
      }
    }),
    { numRuns: 30 },
  );
});

test("an id has one key, another id or queue another; a ULID keeps all of its 128 bits", () => {
  const keyOf = (queueNumber: number, id: string) => {
    const key = new Uint32Array(4);
    markerKey(key, queueNumber, id);
    return [...key].map((word) => word.toString(16).padStart(8, "0")).join("");
  };
  expect(keyOf(0, "00000000000000000000000001")).toBe("0".repeat(31).concat("1"));
  expect(keyOf(0, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")).toBe("f".repeat(32));
  expect(keyOf(0, "01ARZ3NDEKTSV4RRFFQ69G5FAV")).toBe("01563e3ab5d3d6764c61efb99302bd5b");
  expect(keyOf(0, "8ZZZZZZZZZZZZZZZZZZZZZZZZZ")).not.toBe("f".repeat(32));
  const id = fc.oneof(fc.string(), fc.ulid());
  fc.assert(
    fc.property(id, id, fc.nat(1_000), fc.nat(1_000), (a, b, queueA, queueB) => {
      const same = a === b && queueA === queueB;
      expect(keyOf(queueA, a) === keyOf(queueB, b)).toBe(same);
    }),
  );
});
