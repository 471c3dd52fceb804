/** Damage to a store that was closed: refused, found when read, or harmless. Promise G20. */
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { extent } from "../../support/extent.ts";
import { database, flipBit, harm } from "./damages.ts";
import { sampleStore, temporaryDirectory } from "./stores.ts";

/** More of them, and others, for a soak. */
const flips = Number(process.env["COLLOQUY_FLIPS"] ?? extent({ ci: 2_000, here: 200 }));
const cuts = Math.ceil(flips / 20);
const seed = Number(process.env["COLLOQUY_SEED"] ?? 20);
const timeout = 60_000 + 60 * flips;

const pageBytes = 4_096;

/** Where the header of the file says how many pages it has. @see https://www.sqlite.org/fileformat2.html */
const pagesInHeader = 28;

describe("G20: a store that was closed", () => {
  test(`${flips} flipped bits: no wrong row, no missing row`, { timeout }, () => {
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

  test(`${cuts} truncations: each is refused`, { timeout }, () => {
    const original = temporaryDirectory("memory");
    const expected = sampleStore(original);
    const { size } = statSync(join(original, database));
    const random = new SeededRandom(seed);
    const counts = harm(original, expected, cuts, (directory, round) => {
      const anywhere = 1 + (random.uint32() % (size - 1));
      const bytes =
        round % 2 === 0 ? anywhere : Math.max(pageBytes, anywhere - (anywhere % pageBytes));
      truncateSync(join(directory, database), bytes);
      return `cut to ${bytes} of ${size} bytes`;
    });
    expect(counts).toEqual({ refused: cuts, found: 0, harmless: 0 });
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
    timeout,
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

test("G20: two leaves of one tree exchanged: every row counts, and not every one is found", () => {
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
