/** Damaged files: refused, found when read, or harmless; never served, never touched. Promise G20. */
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isDeepStrictEqual } from "node:util";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import type { Storage } from "../../../src/broker/engine/storage.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { failureOf, summaryOf } from "./failures.ts";
import {
  type Content,
  contentOf,
  killedStore,
  readEverything,
  sampleStore,
  temporaryDirectory,
} from "./stores.ts";

/** What became of a damaged store. */
interface Verdict {
  readonly kind: "refused" | "found" | "harmless";
  /** Rows that came back with other bytes, or did not come back, without an error. */
  readonly wrong: readonly string[];
}

/** More of them, and others, for a soak. */
const flips = Number(process.env["COLLOQUY_FLIPS"] ?? 2_000);
const seed = Number(process.env["COLLOQUY_SEED"] ?? 20);

const pageBytes = 4_096;

/** Where the header of the file says how many pages it has. @see https://www.sqlite.org/fileformat2.html */
const pagesInHeader = 28;

const database = "store.sqlite";
const log = "store.sqlite-wal";

/** Opens the store and asks for every row of `expected`. */
function judge(directory: string, expected: Content, round = 0): Verdict {
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
  return [database, log].map((name) => {
    const file = join(directory, name);
    return existsSync(file) ? crc32(readFileSync(file)) : undefined;
  });
}

/** Harms a fresh copy of `original` once per round and counts the verdicts. */
function harm(
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

function flipBit(file: string, at: number, bit: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  writeFileSync(file, bytes);
}

function expectFilesKept(directory: string, run: () => void): void {
  const before = checksumsOf(directory);
  run();
  expect(checksumsOf(directory), "a refused store is left as it is").toEqual(before);
}

describe("a store that was closed", () => {
  test(`${flips} flipped bits: no wrong row, no missing row`, { timeout: 60 * flips }, () => {
    const original = temporaryDirectory("memory");
    const expected = sampleStore(original);
    const { size } = statSync(join(original, database));
    const random = new SeededRandom(seed);
    const counts = harm(original, expected, flips, (directory) => {
      const at = random.uint32() % size;
      const bit = random.uint32() % 8;
      flipBit(join(directory, database), at, bit);
      return `bit ${bit} of byte ${at}`;
    });
    expect(counts.refused).toBeGreaterThan(0);
    expect(counts.found).toBeGreaterThan(0);
  });

  test("100 truncations: each is refused", () => {
    const original = temporaryDirectory("memory");
    const expected = sampleStore(original);
    const { size } = statSync(join(original, database));
    const random = new SeededRandom(seed);
    const counts = harm(original, expected, 100, (directory, round) => {
      const anywhere = 1 + (random.uint32() % (size - 1));
      const bytes =
        round % 2 === 0 ? anywhere : Math.max(pageBytes, anywhere - (anywhere % pageBytes));
      truncateSync(join(directory, database), bytes);
      return `cut to ${bytes} of ${size} bytes`;
    });
    expect(counts).toEqual({ refused: 100, found: 0, harmless: 0 });
  });

  test("a file that is longer than its header says is refused: its end would be written over", () => {
    const original = temporaryDirectory("memory");
    const expected = sampleStore(original);
    const counts = harm(original, expected, 2, (directory, round) => {
      const file = join(directory, database);
      if (round === 0) {
        appendFileSync(file, Buffer.alloc(pageBytes));
        return "a page more";
      }
      const bytes = readFileSync(file);
      bytes.writeUInt32BE(bytes.readUInt32BE(pagesInHeader) - 1, pagesInHeader);
      writeFileSync(file, bytes);
      return "a page less in the header";
    });
    expect(counts.refused).toBe(2);
  });

  test("a page of zeros, a copied page, two pages exchanged: no wrong row, no missing row", {
    timeout: 60_000,
  }, () => {
    const original = temporaryDirectory("memory");
    const expected = sampleStore(original);
    const bytes = readFileSync(join(original, database));
    const pages = bytes.length / pageBytes;
    const random = new SeededRandom(seed);
    const counts = harm(original, expected, 450, (directory, round) => {
      const [one, other] = [random.uint32() % pages, random.uint32() % pages];
      const page = (number: number) => bytes.subarray(number * pageBytes, (number + 1) * pageBytes);
      const changed = Buffer.from(bytes);
      changed.set(round % 3 === 0 ? Buffer.alloc(pageBytes) : page(other), one * pageBytes);
      if (round % 3 === 2) changed.set(page(one), other * pageBytes);
      writeFileSync(join(directory, database), changed);
      return `pages ${one} and ${other}, kind ${round % 3}`;
    });
    expect(counts.refused).toBeGreaterThan(100);
    expect(counts.found).toBeGreaterThan(100);
  });
});

test("two leaves of one tree exchanged: every row counts, and not every one is found", () => {
  const original = temporaryDirectory("memory");
  const expected = sampleStore(original);
  const pairs = pairsOfLeaves(join(original, database));
  expect(pairs.map(([tree]) => tree)).toEqual(expect.arrayContaining(["page_key", "entry"]));
  const counts = harm(original, expected, pairs.length, (directory, round) => {
    const [tree = "", one = 0, other = 0] = pairs[round] ?? [];
    const file = join(directory, database);
    const bytes = readFileSync(file);
    const page = (number: number) => bytes.subarray((number - 1) * pageBytes, number * pageBytes);
    const kept = Buffer.from(page(one));
    page(one).set(page(other));
    page(other).set(kept);
    writeFileSync(file, bytes);
    return `leaves ${one} and ${other} of ${tree}`;
  });
  expect(counts.harmless).toBe(0);
});

/** The first two leaves of every tree that has as many. */
function pairsOfLeaves(file: string): readonly (readonly [string, number, number])[] {
  const opened = new DatabaseSync(file);
  const leaves = opened
    .prepare("SELECT name, pageno FROM dbstat WHERE pagetype = 'leaf' ORDER BY name, path")
    .all() as unknown as readonly { readonly name: string; readonly pageno: number }[];
  opened.close();
  return leaves.flatMap((leaf, index): readonly (readonly [string, number, number])[] => {
    const [before, next] = [leaves[index - 1], leaves[index + 1]];
    if (before?.name === leaf.name || next?.name !== leaf.name) return [];
    return [[leaf.name, leaf.pageno, next.pageno]];
  });
}

describe("a store whose owner was killed", () => {
  test("opens with everything that was committed, and says that it was not closed", () => {
    const directory = join(temporaryDirectory("memory"), "store");
    const expected = killedStore(directory).at(-1);
    const storage = openSqliteStorage(directory);
    expect(storage.unclean).toBe(true);
    expect(storage.epoch).toBe(2);
    expect(contentOf(storage)).toEqual(expected);
    storage.close();
  });

  test("200 flipped bits of the database: no wrong row, no missing row", () => {
    const original = join(temporaryDirectory("memory"), "store");
    const expected = killedStore(original).at(-1) as Content;
    const { size } = statSync(join(original, database));
    const random = new SeededRandom(seed);
    const counts = harm(original, expected, 200, (directory) => {
      const at = random.uint32() % size;
      flipBit(join(directory, database), at, random.uint32() % 8);
      return `byte ${at}`;
    });
    expect(counts.found).toBeGreaterThan(0);
  });

  // What a damaged log has lost is found with the head file, which does not exist yet.
  test("200 flipped bits of the log: what comes back is a whole number of commits", () => {
    const original = join(temporaryDirectory("memory"), "store");
    const history = killedStore(original);
    const used = logBytesUsed(join(original, log));
    const random = new SeededRandom(seed);
    for (let round = 0; round < 200; round++) {
      const directory = join(temporaryDirectory("memory"), "store");
      cpSync(original, directory, { recursive: true });
      flipBit(join(directory, log), random.uint32() % used, random.uint32() % 8);
      let storage: Storage | undefined;
      const refusal = failureOf(() => {
        storage = openSqliteStorage(directory);
      });
      if (storage === undefined) {
        expect(refusal?.code).toBe("STORE_FAILED");
      } else {
        const content = contentOf(storage);
        expect(history.some((state) => isDeepStrictEqual(state, content))).toBe(true);
        storage.close();
      }
    }
  });

  test("without its database file is refused, and the log is kept", () => {
    const directory = join(temporaryDirectory("memory"), "store");
    killedStore(directory);
    rmSync(join(directory, database));
    expectFilesKept(directory, () => {
      const failure = failureOf(() => openSqliteStorage(directory));
      expect(summaryOf(failure)).toEqual(["STORE_FAILED", "missing"]);
    });
  });

  test("with the log, or the database, of another store is refused", () => {
    for (const [swapped, mine, other] of [
      [log, 1, 2],
      [database, 1, 2],
      // The same content in both: only the identity tells them apart.
      [log, 3, 3],
      [database, 3, 3],
    ] as const) {
      const directory = join(temporaryDirectory("memory"), "store");
      const elsewhere = join(temporaryDirectory("memory"), "store");
      killedStore(directory, mine);
      killedStore(elsewhere, other);
      copyFileSync(join(elsewhere, swapped), join(directory, swapped));
      expectFilesKept(directory, () => {
        const failure = failureOf(() => openSqliteStorage(directory));
        expect(summaryOf(failure)).toEqual(["STORE_FAILED", "damaged"]);
      });
    }
  });

  test("with a log of another kind is refused or opens without it", () => {
    const directory = temporaryDirectory("memory");
    const expected = sampleStore(directory);
    writeFileSync(join(directory, log), "this is not a log");
    expect(judge(directory, expected)).toEqual({ kind: "harmless", wrong: [] });
  });
});

/** Behind them the log has only room. */
function logBytesUsed(file: string): number {
  const bytes = readFileSync(file);
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  return end;
}
