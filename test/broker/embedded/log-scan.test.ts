/** Telling a torn log from a damaged one, on logs that SQLite wrote. Promise G20. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findLogDamage } from "../../../src/broker/embedded/log-scan.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { extent } from "../../support/extent.ts";
import { log } from "./damages.ts";
import { killedStore, temporaryDirectory } from "./stores.ts";

const rounds = extent({ ci: 1_000, here: 200 });
/** Each reads whole logs. */
const timeout = 60_000 + 60 * rounds;

const pageBytes = 4_096;
const frameBytes = pageBytes + 24;
const sectorBytes = 512;

/** The log of a killed owner, and where its commits end, bytes, the last one at last. */
function sampleLog(): { readonly bytes: Buffer; readonly ends: readonly number[] } {
  const directory = join(temporaryDirectory("memory"), "store");
  killedStore(directory);
  const bytes = readFileSync(join(directory, log));
  const ends: number[] = [];
  for (let at = 32; at + frameBytes <= bytes.length; at += frameBytes) {
    if (bytes.readUInt32BE(at) !== 0 && bytes.readUInt32BE(at + 4) !== 0)
      ends.push(at + frameBytes);
  }
  return { bytes, ends };
}

function scan(bytes: Uint8Array): ReturnType<typeof findLogDamage> {
  const file = join(temporaryDirectory("memory"), "log");
  writeFileSync(file, bytes);
  return findLogDamage(file, pageBytes);
}

test("G20: a whole log is whole, whatever lies behind it", () => {
  const { bytes, ends } = sampleLog();
  const end = ends.at(-1) as number;
  expect(scan(bytes)).toBeUndefined();
  expect(scan(bytes.subarray(0, end))).toBeUndefined();
  expect(scan(new Uint8Array(0))).toBeUndefined();
  expect(scan(Buffer.concat([bytes.subarray(0, end), Buffer.alloc(90_000, 7)]))).toBeUndefined();
});

test("G20: a log that ends anywhere is torn, not damaged", { timeout }, () => {
  const { bytes, ends } = sampleLog();
  const random = new SeededRandom(3);
  const end = ends.at(-1) as number;
  for (let round = 0; round < 2 * rounds; round++) {
    const kept = random.uint32() % end;
    const cut = round % 2 === 0 ? kept : kept - (kept % sectorBytes);
    const torn = Buffer.alloc(bytes.length);
    bytes.copy(torn, 0, 0, cut);
    expect(scan(round % 3 === 0 ? torn.subarray(0, cut) : torn), `cut at ${cut}`).toBeUndefined();
  }
});

test("G20: a last commit of which any sectors are missing is torn, not damaged", {
  timeout,
}, () => {
  const { bytes, ends } = sampleLog();
  const random = new SeededRandom(4);
  const [begin, end] = ends.slice(-2) as [number, number];
  for (let round = 0; round < rounds; round++) {
    const torn = Buffer.from(bytes);
    const share = random.float();
    for (let at = begin; at < end; at++) {
      const sector = at - (at % sectorBytes);
      const until = Math.min(end, sector + sectorBytes);
      if (random.float() < share) torn.fill(random.uint32() % 2 === 0 ? 0 : 0x5a, at, until);
      at = until - 1;
    }
    expect(scan(torn)).toBeUndefined();
  }
});

test("G20: what an older log left behind a shorter new one is no damage", () => {
  const [older, newer] = [sampleLog(), sampleLog()];
  const end = newer.ends[2] as number;
  const both = Buffer.from(older.bytes);
  newer.bytes.copy(both, 0, 0, end);
  expect(scan(both)).toBeUndefined();
});

test("G20: damage with two whole commits behind it is found, wherever it is", { timeout }, () => {
  const { bytes, ends } = sampleLog();
  const random = new SeededRandom(5);
  const last = ends.at(-3) as number;
  for (let round = 0; round < rounds; round++) {
    const at = random.uint32() % last;
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (random.uint32() % 8));
    const frame = at < 32 ? 0 : 1 + Math.floor((at - 32) / frameBytes);
    const commitsBehind = expect.any(Number) as number;
    expect(scan(damaged), `byte ${at}`).toEqual({ frame, commitsBehind });
  }
});

test("G20: damage counts the commits that would be lost", () => {
  const { bytes, ends } = sampleLog();
  const damaged = Buffer.from(bytes);
  const at = (ends[0] as number) + 100;
  damaged[at] = (damaged[at] ?? 0) ^ 1;
  const found = scan(damaged);
  const inFirst = (ends[1] as number) - (ends[0] as number) === frameBytes;
  expect(found?.commitsBehind).toBe(ends.length - (inFirst ? 2 : 1));
});
