/** Stores to do harm to, and what their content must be. */
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { onTestFinished } from "vitest";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import type {
  NamedTable,
  NumberedTable,
  ScanLimits,
  Storage,
  Write,
} from "../../../src/broker/engine/storage.ts";
import type { ColloquyError } from "../../../src/errors.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { failureOf } from "./failures.ts";

export const numberedTables: readonly NumberedTable[] = [
  "page",
  "settled",
  "later",
  "dead",
  "outcome",
  "marker",
  "log",
];
export const namedTables: readonly NamedTable[] = ["meta", "queue", "stream", "producer", "entry"];

export const largest = 9_007_199_254_740_991;
export const noLimit: ScanLimits = { rows: largest };

/** In memory where the system has such a directory: what is flushed there costs nothing. */
export function temporaryDirectory(place: "disk" | "memory" = "disk"): string {
  const parent = place === "memory" && existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const directory = mkdtempSync(join(parent, "colloquy-store-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function openedStorage(directory: string): Storage {
  const storage = openSqliteStorage(directory);
  onTestFinished(() => storage.close());
  return storage;
}

/** Everything in a storage, or what was written to it: one entry for each row, by table and key. */
export type Content = Map<string, string>;

export function written(writes: readonly Write[], before: Content = new Map()): Content {
  const content = new Map(before);
  for (const write of writes) {
    const { table, value } = write;
    const key = "name" in write ? `${table} ${write.name}` : `${table} ${write.a} ${write.b}`;
    if (value === undefined) content.delete(key);
    else content.set(key, text(value));
  }
  return content;
}

export function contentOf(storage: Storage): Content {
  const content: Content = new Map();
  for (const table of numberedTables) {
    for (const { a, b, value } of storage.scan(table, 0, 0, largest, noLimit)) {
      content.set(`${table} ${a} ${b}`, text(value));
    }
  }
  for (const table of namedTables) {
    for (const { name, value } of storage.scanNamed(table, "", "", noLimit)) {
      content.set(`${table} ${name}`, text(value));
    }
  }
  return content;
}

function text(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString("latin1");
}

export function randomBytes(random: SeededRandom, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.uint32());
}

/** How many rows each group puts into a table; enough, in some, for trees of several levels. */
const rowsPerGroup: Readonly<Record<string, number>> = { page: 14, settled: 5, entry: 5 };

/** Groups that put rows of all sizes into all tables, then replace and delete some of them. */
export function sampleGroups(seed: number): readonly (readonly Write[])[] {
  const random = new SeededRandom(seed);
  const rows = <Table extends string>(tables: readonly Table[]): readonly Table[] =>
    tables.flatMap((table) => Array.from({ length: rowsPerGroup[table] ?? 1 }, () => table));
  const groups: Write[][] = [];
  for (let group = 0; group < 24; group++) {
    const writes: Write[] = [];
    for (const table of rows(numberedTables)) {
      const length = 2 ** Math.floor(random.float() ** 3 * (table === "page" ? 13 : 9));
      const [a, b] = [random.uint32() % 5, random.uint32() % 900];
      writes.push({ table, a, b, value: randomBytes(random, length) });
      const gone = random.uint32() % 900;
      if (random.float() < 0.2) writes.push({ table, a, b: gone, value: undefined });
    }
    for (const table of rows(namedTables)) {
      const name = `${table}/é/${random.uint32() % 400}`;
      writes.push({ table, name, value: randomBytes(random, random.uint32() % 60) });
    }
    groups.push(writes);
  }
  return groups;
}

/**
 * Asks for every row of `expected` by scanning, and for every third one, from the one numbered `from`
 * on, also by its key.
 */
export function readEverything(
  storage: Storage,
  expected: Content,
  from: number,
): { readonly failures: readonly ColloquyError[]; readonly wrong: readonly string[] } {
  const failures: ColloquyError[] = [];
  const wrong: string[] = [];
  const check = (what: string, isRight: () => boolean): void => {
    let right = false;
    const failure = failureOf(() => {
      right = isRight();
    });
    if (failure !== undefined) failures.push(failure);
    else if (!right) wrong.push(what);
  };
  const keys = [...expected.keys()];
  for (let index = from; index < keys.length; index += 3) {
    const key = keys[index] ?? "";
    const value = expected.get(key) ?? "";
    const [table = "", first = "", second] = key.split(" ");
    if (second === undefined) {
      check(`read ${key}`, () => same(storage.readNamed(table as NamedTable, first), value));
    } else {
      const [numbered, a, b] = [table as NumberedTable, Number(first), Number(second)];
      check(`read ${key}`, () => same(storage.read(numbered, a, b), value));
      check(`floor ${key}`, () => same(storage.floor(numbered, a, b)?.value, value));
    }
  }
  check("scan", () => isDeepStrictEqual(contentOf(storage), expected));
  return { failures, wrong };
}

function same(found: Uint8Array | undefined, expected: string): boolean {
  return found !== undefined && text(found) === expected;
}

/** Makes a store of `sampleGroups` that was closed. */
export function sampleStore(directory: string, seed = 1): Content {
  const storage = openSqliteStorage(directory);
  const groups = sampleGroups(seed);
  for (const writes of groups) storage.commit(writes);
  storage.close();
  return written(groups.flat());
}

/**
 * Makes a store whose owner was killed: half of `sampleGroups` lies in the database, half in the log.
 *
 * @returns the content after each commit of the second half, the state before it first.
 */
export function killedStore(directory: string, seed = 1): readonly Content[] {
  const owned = temporaryDirectory("memory");
  const storage = openSqliteStorage(owned);
  const groups = sampleGroups(seed);
  const half = groups.length / 2;
  let content: Content = new Map();
  const history: Content[] = [];
  for (const [index, writes] of groups.entries()) {
    if (index === half) {
      storage.checkpoint();
      history.push(content);
    }
    storage.commit(writes);
    content = written(writes, content);
    if (index >= half) history.push(content);
  }
  cpSync(owned, directory, { recursive: true });
  storage.close();
  return history;
}
