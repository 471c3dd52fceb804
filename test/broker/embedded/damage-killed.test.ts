/** Damage to the log that a killed owner left behind, and to what lies beside it. Promise G20. */
import {
  copyFileSync,
  cpSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { makeHead, readHead } from "../../../src/broker/embedded/head-file.ts";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import { storeFilesIn } from "../../../src/broker/embedded/store-files.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { extent } from "../../support/extent.ts";
import { database, expectFilesKept, flipBit, harm, head, judge, log } from "./damages.ts";
import { failureOf, summaryOf } from "./failures.ts";
import { type Content, contentOf, killedStore, sampleStore, temporaryDirectory } from "./stores.ts";

/** More of them, and others, for a soak. */
const flips = Number(process.env["COLLOQUY_FLIPS"] ?? extent({ ci: 2_000, here: 500 }));
const cuts = Math.ceil(flips / 20);
const seed = Number(process.env["COLLOQUY_SEED"] ?? 20);
const timeout = 60_000 + 60 * flips;

function newStore(): string {
  return join(temporaryDirectory("memory"), "store");
}

function refusal(directory: string): ReturnType<typeof summaryOf> {
  let summary: ReturnType<typeof summaryOf>;
  expectFilesKept(directory, () => {
    summary = summaryOf(failureOf(() => openSqliteStorage(directory)));
  });
  return summary;
}

test("G20: a killed owner's store opens with everything that was committed, and says that it was not closed", () => {
  const directory = newStore();
  const expected = killedStore(directory).at(-1);
  const storage = openSqliteStorage(directory);
  expect(storage.unclean).toBe(true);
  expect(storage.epoch).toBe(2);
  expect(contentOf(storage)).toEqual(expected);
  storage.close();
});

test("G20: what a killed owner left in the log is moved before anything is added to it", () => {
  const directory = newStore();
  killedStore(directory);
  const before = statSync(join(directory, database)).size;
  const storage = openSqliteStorage(directory);
  expect(statSync(join(directory, database)).size).toBeGreaterThan(before);
  // The mark that it is open, and no more.
  expect(logBytesUsed(join(directory, log))).toBeLessThan(3 * 4_200);
  storage.close();
});

describe("G20: the log of a killed owner", () => {
  test(`${flips} flipped bits: each is refused, nothing is cut off`, { timeout }, () => {
    const original = newStore();
    const expected = killedStore(original).at(-1) as Content;
    const used = withoutRoom(original);
    const random = new SeededRandom(seed);
    const counts = harm(original, expected, flips, (directory) => {
      const [at, bit] = [random.uint32() % used, random.uint32() % 8];
      flipBit(join(directory, log), at, bit);
      return `bit ${bit} of byte ${at}`;
    });
    expect(counts).toEqual({ refused: flips, found: 0, harmless: 0 });
  });

  test(`${cuts} truncations, down to nothing: each is refused`, { timeout }, () => {
    const original = newStore();
    const expected = killedStore(original).at(-1) as Content;
    const used = withoutRoom(original);
    const random = new SeededRandom(seed);
    const counts = harm(original, expected, cuts, (directory, round) => {
      const bytes = round === 0 ? 0 : random.uint32() % used;
      truncateSync(join(directory, log), bytes);
      return `cut to ${bytes} of ${used} bytes`;
    });
    expect(counts).toEqual({ refused: cuts, found: 0, harmless: 0 });
  });

  test("flipped bits under a head that a power cut left behind: refused but at the very end", {
    timeout,
  }, () => {
    const original = newStore();
    const history = killedStore(original);
    layBack(original);
    const rounds = Math.ceil(flips / 5);
    const used = withoutRoom(original);
    const random = new SeededRandom(seed);
    let shortened = 0;
    for (let round = 0; round < rounds; round++) {
      const directory = newStore();
      cpSync(original, directory, { recursive: true });
      flipBit(join(directory, log), random.uint32() % used, random.uint32() % 8);
      const failure = failureOf(() => {
        const storage = openSqliteStorage(directory);
        const content = contentOf(storage);
        storage.close();
        // As if the power had gone before the last commit, or during it.
        expect(history.slice(-3).some((state) => isDeepStrictEqual(state, content))).toBe(true);
        shortened++;
      });
      if (failure !== undefined) expect(failure.code).toBe("STORE_FAILED");
    }
    expect(shortened).toBeGreaterThan(0);
    expect(shortened).toBeLessThan(rounds / 5);
  });
});

test("G20: flipped bits of the database of a killed owner: no wrong row, no missing row", {
  timeout,
}, () => {
  const original = newStore();
  const expected = killedStore(original).at(-1) as Content;
  withoutRoom(original);
  const { size } = statSync(join(original, database));
  const random = new SeededRandom(seed);
  const counts = harm(original, expected, Math.ceil(flips / 10), (directory) => {
    const at = random.uint32() % size;
    flipBit(join(directory, database), at, random.uint32() % 8);
    return `byte ${at}`;
  });
  expect(counts.found).toBeGreaterThan(0);
});

describe("G20: files that are missing, exchanged or older", () => {
  test("without its database, its log or its head a store is refused, and the rest is kept", () => {
    for (const [file, reason] of [
      [database, "missing"],
      [log, "behind"],
      [head, "missing"],
    ] as const) {
      const directory = newStore();
      killedStore(directory);
      rmSync(join(directory, file));
      expect(refusal(directory), file).toEqual(["STORE_FAILED", reason]);
    }
  });

  test("a closed store without its database, or with an empty one, is refused, not made anew", () => {
    for (const remove of [rmSync, (file: string) => truncateSync(file, 0)]) {
      const directory = newStore();
      sampleStore(directory);
      remove(join(directory, database));
      expect(refusal(directory)).toEqual(["STORE_FAILED", "missing"]);
    }
  });

  test("with the log, the database or the head of another store it is refused", () => {
    for (const [swapped, mine, other] of [
      [log, 1, 2],
      [database, 1, 2],
      [head, 1, 2],
      // The same content in both: only the identity tells them apart.
      [log, 3, 3],
      [database, 3, 3],
      [head, 3, 3],
    ] as const) {
      const directory = newStore();
      const elsewhere = newStore();
      killedStore(directory, mine);
      killedStore(elsewhere, other);
      copyFileSync(join(elsewhere, swapped), join(directory, swapped));
      expect(refusal(directory), swapped).toEqual(["STORE_FAILED", "damaged"]);
    }
  });

  test("an older database, whole and of this store, is refused as behind", () => {
    const directory = newStore();
    sampleStore(directory);
    const older = join(temporaryDirectory("memory"), database);
    copyFileSync(join(directory, database), older);
    const storage = openSqliteStorage(directory);
    storage.commit([{ table: "page", a: 4, b: 901, value: Uint8Array.of(1) }]);
    storage.close();
    copyFileSync(older, join(directory, database));
    const failure = failureOf(() => openSqliteStorage(directory));
    expect(summaryOf(failure)).toEqual(["STORE_FAILED", "behind"]);
    expect(failure?.details).toMatchObject({ file: join(directory, database) });
    expect(failure?.message).toContain("ends before what was acknowledged");
  });

  test("with a log of another kind is refused or opens without it", () => {
    const directory = temporaryDirectory("memory");
    const expected = sampleStore(directory);
    writeFileSync(join(directory, log), "this is not a log");
    expect(judge(directory, expected)).toEqual({ kind: "harmless", wrong: [] });
  });
});

describe("G20: the head", () => {
  test("one slot that is damaged costs nothing, both are refused", { timeout }, () => {
    const original = newStore();
    const expected = killedStore(original).at(-1) as Content;
    withoutRoom(original);
    const { size } = statSync(join(original, head));
    const random = new SeededRandom(seed);
    const counts = harm(original, expected, 200, (directory) => {
      const at = random.uint32() % size;
      flipBit(join(directory, head), at, random.uint32() % 8);
      return `byte ${at} of the head`;
    });
    expect(counts).toEqual({ refused: 0, found: 0, harmless: 200 });
    const refused = harm(original, expected, 36 * 8, (directory, round) => {
      for (const slot of [0, 512]) flipBit(join(directory, head), slot + (round >> 3), round & 7);
      return `bit ${round} of both slots`;
    });
    expect(refused).toEqual({ refused: 36 * 8, found: 0, harmless: 0 });
  });

  test("is never ahead of a commit that failed, and is with every other one", () => {
    const directory = newStore();
    const storage = openSqliteStorage(directory);
    const sequence = () => readHead(join(directory, head))?.sequence ?? 0;
    const before = sequence();
    const noBytes = 5 as unknown as Uint8Array;
    expect(() => storage.commit([{ table: "page", a: 1, b: 1, value: noBytes }])).toThrow();
    expect(sequence()).toBe(before);
    for (let b = 1; b <= 3; b++) {
      storage.commit([{ table: "page", a: 1, b, value: Uint8Array.of(1) }]);
      expect(sequence()).toBe(before + b);
    }
    storage.close();
  });

  test("where commits are not flushed it follows the checkpoints, so that a power cut is no damage", () => {
    const directory = newStore();
    const storage = openSqliteStorage(directory, { durability: "process" });
    const read = () => readHead(join(directory, head));
    const before = read()?.sequence ?? 0;
    expect(read()?.relaxed).toBe(true);
    storage.commit([{ table: "page", a: 1, b: 1, value: Uint8Array.of(1) }]);
    expect(read()?.sequence).toBe(before);
    storage.checkpoint();
    expect(read()?.sequence).toBe(before + 1);
    storage.close();
  });
});

/** Makes the head what it was when the store was made: the oldest that a power cut can bring back. */
function layBack(directory: string): void {
  const identity = readHead(join(directory, head))?.identity ?? new Uint8Array();
  makeHead(storeFilesIn(directory), identity);
}

/**
 * Takes away most of the room at the end of the log, which is nine tenths of what would be copied for
 * every flip. @returns the bytes of the log that are in use.
 */
function withoutRoom(directory: string): number {
  const used = logBytesUsed(join(directory, log));
  truncateSync(join(directory, log), used + 65_536);
  return used;
}

/** Behind them the log has only room. */
function logBytesUsed(file: string): number {
  const bytes = readFileSync(file);
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  return end;
}
