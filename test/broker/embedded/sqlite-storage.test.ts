/** What the engine is promised by a storage, on SQLite: the storage in memory is the model. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import { MemoryStorage } from "../../../src/broker/engine/memory-storage.ts";
import type { Storage, Write } from "../../../src/broker/engine/storage.ts";
import { fc } from "../../support/properties.ts";
import { failureOf, summaryOf } from "./failures.ts";
import {
  contentOf,
  largest,
  namedTables,
  noLimit,
  numberedTables,
  openedStorage,
  temporaryDirectory,
} from "./stores.ts";

const { array, constantFrom, nat, oneof, property, record, uint8Array } = fc;

const numbers = constantFrom(0, 1, 2, 7, 2 ** 31, 2 ** 32, 1_800_000_000_000, largest - 1, largest);
const names = constantFrom(
  "",
  "a",
  "a/",
  "a/b",
  "a/bc",
  "ab",
  "é",
  "\u{ffff}",
  "\u{10000}",
  "a\0b",
);
const values = oneof(
  uint8Array({ maxLength: 40 }),
  uint8Array({ minLength: 5_000, maxLength: 9_000 }),
);
const value = oneof(values, constantFrom(undefined));
const numberedTable = constantFrom(...numberedTables);
const namedTable = constantFrom(...namedTables);
const write = oneof(
  record({ table: numberedTable, a: numbers, b: numbers, value }),
  record({ table: namedTable, name: names, value }),
);
const limits = oneof(
  record({ rows: nat(5) }),
  record({ rows: constantFrom(3, largest), bytes: nat(10_000) }),
);

type Step = (storage: Storage) => unknown;

const reads = oneof(
  record({ table: numberedTable, a: numbers, b: numbers, lastA: numbers, limits }).map(
    ({ table, a, b, lastA, limits }): Step =>
      (storage) => [
        storage.read(table, a, b),
        storage.floor(table, a, b),
        storage.scan(table, a, b, lastA, limits),
      ],
  ),
  record({ table: namedTable, name: names, after: names, limits }).map(
    ({ table, name, after, limits }): Step =>
      (storage) => [storage.readNamed(table, name), storage.scanNamed(table, name, after, limits)],
  ),
);
const steps = oneof(
  array(write, { maxLength: 8 }).map(
    (writes): Step =>
      (storage) =>
        storage.commit(writes),
  ),
  reads,
  constantFrom<Step>((storage) => storage.checkpoint()),
);

test("it does what the storage in memory does, across closing and opening", () => {
  fc.assert(
    property(array(array(steps, { maxLength: 12 }), { maxLength: 4 }), (lives) => {
      const directory = temporaryDirectory("memory");
      const model = new MemoryStorage();
      for (const life of lives) {
        const storage = openSqliteStorage(directory);
        for (const step of life) expect(step(storage)).toEqual(step(model));
        expect(contentOf(storage)).toEqual(contentOf(model));
        storage.close();
      }
    }),
    { numRuns: 60 },
  );
});

test("damage found while writing refuses the group, and other rows can still be written", () => {
  const directory = temporaryDirectory();
  const storage = openSqliteStorage(directory);
  const value = Uint8Array.of(1);
  storage.commit([{ table: "later", a: 1, b: 1, value }]);
  storage.close();
  const file = join(directory, "store.sqlite");
  const bytes = readFileSync(file);
  const database = new DatabaseSync(file);
  const root = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'later'").get();
  database.close();
  bytes[(Number(root?.["rootpage"]) - 1) * 4_096] = 0xff;
  writeFileSync(file, bytes);

  const again = openedStorage(directory);
  const group: Write[] = [
    { table: "page", a: 1, b: 1, value },
    { table: "later", a: 1, b: 1, value: undefined },
  ];
  const failure = failureOf(() => again.commit(group));
  expect(summaryOf(failure)).toEqual(["STORE_FAILED", "damaged"]);
  expect(again.read("page", 1, 1)).toBeUndefined();
  again.commit([{ table: "page", a: 1, b: 2, value }]);
  expect(again.read("page", 1, 2)).toEqual(value);
  const reading = failureOf(() => again.read("later", 1, 1));
  expect(reading?.details).toMatchObject({ reason: "damaged", table: "later" });
});

describe("a group", () => {
  const kept: Write = { table: "page", a: 4, b: 1, value: Uint8Array.of(1) };

  test("is written whole or not at all", () => {
    const directory = temporaryDirectory();
    const storage = openedStorage(directory);
    storage.commit([kept]);
    const before = contentOf(storage);
    const noBytes = 5 as unknown as Uint8Array;
    const broken: readonly Write[] = [
      { table: "settled", a: 4, b: 1, value: noBytes },
      { table: "settled", a: 4, b: 1.5, value: Uint8Array.of(1) },
    ];
    for (const last of broken) {
      const group = [{ ...kept, value: undefined }, { ...kept, b: 2 }, last];
      expect(() => storage.commit(group)).toThrow();
      expect(contentOf(storage)).toEqual(before);
    }

    storage.commit([{ ...kept, b: 3 }]);
    storage.close();
    expect(contentOf(openedStorage(directory)).size).toBe(2);
  });

  test("may write one row several times", () => {
    const storage = openedStorage(temporaryDirectory());
    storage.commit([kept, { ...kept, value: undefined }, { ...kept, value: Uint8Array.of(2) }]);
    expect(storage.read("page", 4, 1)).toEqual(Uint8Array.of(2));
  });
});

test("after closing every call says so, and closing again does nothing", () => {
  const storage = openSqliteStorage(temporaryDirectory());
  storage.close();
  storage.close();
  for (const call of [
    () => storage.commit([]),
    () => storage.read("page", 0, 0),
    () => storage.scanNamed("meta", "", "", noLimit),
    () => storage.checkpoint(),
  ]) {
    expect(failureOf(call)?.code).toBe("CLOSED");
  }
});

test("a checkpoint is due after some megabytes, and empties the log", () => {
  const directory = temporaryDirectory("memory");
  const storage = openedStorage(directory);
  const value = new Uint8Array(100_000);
  let commits = 0;
  while (!storage.checkpointDue) storage.commit([{ table: "log", a: 1, b: ++commits, value }]);
  expect(commits).toBeGreaterThan(70);
  expect(commits).toBeLessThan(90);
  storage.checkpoint();
  expect(storage.checkpointDue).toBe(false);
  const { size } = statSync(join(directory, "store.sqlite-wal"));
  for (let again = 1; again < commits; again++) {
    storage.commit([{ table: "log", a: 1, b: again, value }]);
  }
  expect(statSync(join(directory, "store.sqlite-wal")).size).toBe(size);
});

test("a quota refuses what does not fit, and takes what makes room", () => {
  const directory = temporaryDirectory("memory");
  const storage = openSqliteStorage(directory, { bytesMax: 2 ** 20 });
  const value = new Uint8Array(20_000);
  let rows = 0;
  let full: ReturnType<typeof failureOf>;
  while (full === undefined) {
    full = failureOf(() => storage.commit([{ table: "page", a: 4, b: rows + 1, value }]));
    if (full === undefined) rows++;
  }
  expect(summaryOf(full)).toEqual(["STORE_FAILED", "disk-full"]);
  expect(rows).toBeGreaterThan(30);
  expect(contentOf(storage).size).toBe(rows);

  storage.commit([{ table: "settled", a: 4, b: 1, value: new Uint8Array(2_000) }]);
  storage.commit([
    { table: "outcome", a: 1, b: 1, value: new Uint8Array(10_000) },
    { table: "page", a: 4, b: 1, value: undefined },
    { table: "page", a: 4, b: 2, value: undefined },
  ]);
  storage.commit([{ table: "page", a: 4, b: rows + 1, value }]);
  storage.close();
  expect(statSync(join(directory, "store.sqlite")).size).toBeLessThanOrEqual(2 ** 20);
  expect(contentOf(openedStorage(directory)).size).toBe(rows + 1);
});

test("a quota that leaves no room for work is refused", () => {
  for (const bytesMax of [0, 1_000, 1.5e6 + 0.5, Number.NaN]) {
    const directory = temporaryDirectory();
    const failure = failureOf(() => openSqliteStorage(directory, { bytesMax }));
    expect(failure?.code).toBe("INVALID_OPTION");
    expect(failure?.message).toContain(String(bytesMax));
    openedStorage(directory);
  }
});

test("the file gets small again after a long queue has drained", () => {
  const directory = temporaryDirectory("memory");
  const storage = openedStorage(directory);
  const value = new Uint8Array(40_000);
  for (let b = 0; b < 1_000; b++) storage.commit([{ table: "page", a: 4, b, value }]);
  storage.checkpoint();
  const size = () => statSync(join(directory, "store.sqlite")).size;
  expect(size()).toBeGreaterThan(40_000_000);
  for (let b = 1; b < 999; b++) storage.commit([{ table: "page", a: 4, b, value: undefined }]);
  storage.checkpoint();
  expect(size()).toBeLessThan(1_000_000);
  storage.commit([{ table: "page", a: 4, b: 5, value }]);
  expect(contentOf(storage).size).toBe(3);
  storage.close();
  expect(contentOf(openedStorage(directory)).size).toBe(3);
});
