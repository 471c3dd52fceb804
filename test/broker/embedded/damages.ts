/** Harm done to stores, and what becomes of them. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect } from "vitest";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import type { Storage } from "../../../src/broker/engine/storage.ts";
import { failureOf } from "./failures.ts";
import { type Content, readEverything, temporaryDirectory } from "./stores.ts";

export const database = "store.sqlite";
export const log = "store.sqlite-wal";
export const head = "store.head";

/** What became of a damaged store. */
export interface Verdict {
  readonly kind: "refused" | "found" | "harmless";
  /** Rows that came back with other bytes, or did not come back, without an error. */
  readonly wrong: readonly string[];
}

/** Opens the store and asks for every row of `expected`. */
export function judge(directory: string, expected: Content, round = 0): Verdict {
  const before = checksumsOf(directory);
  let storage: Storage | undefined;
  const refusal = failureOf(() => {
    storage = openSqliteStorage(directory);
  });
  if (storage === undefined) {
    expect(["STORE_FAILED", "INVALID_VERSION"]).toContain(refusal?.code);
    expect(checksumsOf(directory), "a refused store is left as it is").toEqual(before);
    return { kind: "refused", wrong: [] };
  }
  const { failures, wrong } = readEverything(storage, expected, round % 3);
  const failure = failureOf(() => storage?.close());
  for (const { code } of failures) expect(code).toBe("STORE_FAILED");
  const kind = failures.length > 0 || failure !== undefined ? "found" : "harmless";
  return { kind, wrong };
}

function checksumsOf(directory: string): readonly (number | undefined)[] {
  return [database, log, head].map((name) => {
    const file = join(directory, name);
    const bytes = existsSync(file) ? readFileSync(file) : undefined;
    // A log of no bytes is none, and SQLite may take it away.
    return bytes === undefined || bytes.length === 0 ? undefined : crc32(bytes);
  });
}

/** Harms a fresh copy of `original` once per round and counts the verdicts. */
export function harm(
  original: string,
  expected: Content,
  rounds: number,
  damage: (directory: string, round: number) => string,
): Readonly<Record<Verdict["kind"], number>> {
  const counts = { refused: 0, found: 0, harmless: 0 };
  const files = readdirSync(original);
  const directory = join(temporaryDirectory("memory"), "store");
  for (let round = 0; round < rounds; round++) {
    mkdirSync(directory);
    for (const file of files) copyFileSync(join(original, file), join(directory, file));
    const what = damage(directory, round);
    const { kind, wrong } = judge(directory, expected, round);
    expect(wrong, what).toEqual([]);
    counts[kind]++;
    rmSync(directory, { recursive: true });
  }
  return counts;
}

export function flipBit(file: string, at: number, bit: number): void {
  const opened = openSync(file, "r+");
  const byte = new Uint8Array(1);
  readSync(opened, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ (1 << bit);
  writeSync(opened, byte, 0, 1, at);
  closeSync(opened);
}

export function expectFilesKept(directory: string, run: () => void): void {
  const before = checksumsOf(directory);
  run();
  expect(checksumsOf(directory), "a refused store is left as it is").toEqual(before);
}
