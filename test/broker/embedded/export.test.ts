/** Copying what is healthy out of damaged stores: nothing wrong comes out, nothing is lost in silence. Promise G20. */
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { DamagedStore } from "../../../src/broker/embedded/export/damaged-store.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { extent } from "../../support/extent.ts";
import { database, flipBit, head, log } from "./damages.ts";
import { failureOf, summaryOf } from "./failures.ts";
import {
  type Content,
  contentOf,
  killedStore,
  namedTables,
  numberedTables,
  openedStorage,
  sampleStore,
  temporaryDirectory,
  written,
} from "./stores.ts";

const rounds = Math.ceil(
  Number(process.env["COLLOQUY_FLIPS"] ?? extent({ ci: 2_000, here: 1_000 })) / 10,
);
const seed = Number(process.env["COLLOQUY_SEED"] ?? 20);
const timeout = 60_000 + 600 * rounds;

interface Salvage {
  readonly content: Content;
  readonly damages: number;
}

function salvage(directory: string): Salvage {
  const store = new DamagedStore(directory);
  try {
    const numbered = numberedTables.flatMap((table) =>
      [...store.numbered(table)].map((row) => ({ table, ...row })),
    );
    const named = namedTables.flatMap((table) =>
      [...store.named(table)].map((row) => ({ table, ...row })),
    );
    return { content: written([...numbered, ...named]), damages: store.damages.length };
  } finally {
    store.close();
  }
}

function filesOf(directory: string): readonly string[] {
  return readdirSync(directory)
    .toSorted()
    .map((name) => `${name} ${crc32(readFileSync(join(directory, name)))}`);
}

/** Damages copies of a store and copies out what is left. @returns the rows lost in each round. */
function salvageMany(
  original: string,
  expected: Content,
  count: number,
  damage: (directory: string, round: number) => void,
): readonly number[] {
  const lost: number[] = [];
  for (let round = 0; round < count; round++) {
    const directory = temporaryDirectory("memory");
    for (const name of readdirSync(original))
      copyFileSync(join(original, name), join(directory, name));
    damage(directory, round);
    const before = filesOf(directory);
    let found: Salvage | undefined;
    const failure = failureOf(() => {
      found = salvage(directory);
    });
    expect(filesOf(directory), "no file is changed, made or removed").toEqual(before);
    if (found === undefined) {
      expect(["STORE_FAILED", "INVALID_VERSION"]).toContain(failure?.code);
      lost.push(expected.size);
    } else {
      for (const [key, value] of found.content) expect(expected.get(key), key).toBe(value);
      const missing = expected.size - found.content.size;
      if (missing > 0) expect(found.damages, "what is missing is told").toBeGreaterThan(0);
      lost.push(missing);
    }
    rmSync(directory, { recursive: true });
  }
  return lost.toSorted((a, b) => a - b);
}

describe("G20: what is healthy in a damaged store", () => {
  test("comes out whole where nothing is damaged, and no file is touched", () => {
    const directory = temporaryDirectory("memory");
    const expected = sampleStore(directory);
    const before = filesOf(directory);
    expect(salvage(directory)).toEqual({ content: expected, damages: 0 });
    expect(filesOf(directory)).toEqual(before);
  });

  test("comes out of a killed owner's files as well, log and all", () => {
    const directory = join(temporaryDirectory("memory"), "store");
    const expected = killedStore(directory).at(-1);
    const before = filesOf(directory);
    expect(salvage(directory)).toEqual({ content: expected, damages: 0 });
    expect(filesOf(directory)).toEqual(before);
    expect(contentOf(openedStorage(directory))).toEqual(expected);
  });

  test(`${rounds} flipped bits: nothing wrong comes out, and nearly all the rest does`, {
    timeout,
  }, () => {
    const original = temporaryDirectory("memory");
    const expected = sampleStore(original);
    const { size } = statSync(join(original, database));
    const random = new SeededRandom(seed);
    const lost = salvageMany(original, expected, rounds, (directory) => {
      flipBit(join(directory, database), random.uint32() % size, random.uint32() % 8);
    });
    // One row, in most; a page of them, where its head was hit.
    expect(lost[Math.floor(rounds / 2)]).toBeLessThanOrEqual(1);
    expect(lost[Math.floor(rounds * 0.9)]).toBeLessThan(expected.size / 10);
  });

  test(`${rounds} truncations: what lies before the cut comes out`, { timeout }, () => {
    const original = temporaryDirectory("memory");
    const expected = sampleStore(original);
    const { size } = statSync(join(original, database));
    const random = new SeededRandom(seed);
    const lost = salvageMany(original, expected, rounds, (directory) => {
      truncateSync(join(directory, database), size - (random.uint32() % (size / 2)));
    });
    expect(lost[0]).toBeLessThan(expected.size / 2);
  });

  test(`${rounds} flipped bits of a log: whole commits come out, and that some are missing is told`, {
    timeout,
  }, () => {
    const directory = join(temporaryDirectory("memory"), "store");
    const history = killedStore(directory);
    const size = readFileSync(join(directory, log)).length / 2;
    const random = new SeededRandom(seed);
    for (let round = 0; round < rounds; round++) {
      const copy = temporaryDirectory("memory");
      for (const name of readdirSync(directory))
        copyFileSync(join(directory, name), join(copy, name));
      flipBit(join(copy, log), random.uint32() % size, 3);
      const { content, damages } = salvage(copy);
      const last = history.at(-1) as Content;
      if (content.size < last.size) expect(damages).toBeGreaterThan(0);
      for (const [key, value] of content) {
        expect(
          history.some((state) => state.get(key) === value),
          key,
        ).toBe(true);
      }
      rmSync(copy, { recursive: true });
    }
  });

  test("comes out where a page leads to one row twice, and that another one is missing is told", () => {
    for (const table of ["page", "entry"]) {
      const directory = temporaryDirectory("memory");
      const expected = sampleStore(directory);
      repeatCell(join(directory, database), table);
      const { content, damages } = salvage(directory);
      for (const [key, value] of content) expect(expected.get(key), key).toBe(value);
      expect(content.size, table).toBe(expected.size - 1);
      expect(damages, table).toBeGreaterThan(0);
    }
  });

  test("comes out without a head, and that it is missing is told", () => {
    const directory = temporaryDirectory("memory");
    const expected = sampleStore(directory);
    rmSync(join(directory, head));
    expect(salvage(directory)).toEqual({ content: expected, damages: 1 });
  });
});

test("a store in use is not copied from, and what is no store is refused", () => {
  const directory = temporaryDirectory();
  const nothing = failureOf(() => salvage(directory));
  expect(summaryOf(nothing)).toEqual(["STORE_FAILED", "missing"]);
  expect(readdirSync(directory)).toEqual([]);
  const storage = openedStorage(directory);
  storage.commit([{ table: "page", a: 1, b: 1, value: Uint8Array.of(1) }]);
  expect(summaryOf(failureOf(() => salvage(directory)))).toEqual(["CONFLICT", "owned"]);
  storage.commit([{ table: "page", a: 1, b: 2, value: Uint8Array.of(1) }]);
});

/** In the first leaf of a tree, the second pointer to a cell leads where the first does. */
function repeatCell(file: string, tree: string): void {
  const opened = new DatabaseSync(file);
  const leaf = opened
    .prepare("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' AND ncell > 1")
    .get(tree)?.["pageno"] as number;
  opened.close();
  const bytes = readFileSync(file);
  // A leaf's header has eight bytes. @see https://www.sqlite.org/fileformat2.html
  const pointers = (leaf - 1) * 4_096 + 8;
  bytes.copyWithin(pointers + 2, pointers, pointers + 2);
  writeFileSync(file, bytes);
}
