/** Disks that are full or fail, and owners that are killed: nothing acknowledged is lost. Promise G2. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import type { Storage } from "../../../src/broker/engine/storage.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { committedValue } from "./committed-value.ts";
import { type DiskFault, failingDisk } from "./failing-disk.ts";
import { failureOf, summaryOf } from "./failures.ts";
import type { FaultReport } from "./faulty-disk-child.ts";
import { noLimit, temporaryDirectory } from "./stores.ts";

/** For machines that are busy with other things. */
const timeout = 120_000;

const child = new URL("committing-child.ts", import.meta.url).pathname;
const childFlags = ["--disable-warning=ExperimentalWarning", child];
const faultyChild = new URL("faulty-disk-child.ts", import.meta.url).pathname;
const faultyFlags = ["--disable-warning=ExperimentalWarning", faultyChild];

const everyError: readonly DiskFault[] = [
  // Of the database and its log by SQLite.
  ...faults(22, { since: "work", call: "fsync", error: "EIO" }),
  ...faults(3, { since: "open", call: "fsync", error: "EIO" }),
  ...faults(6, { since: "recovery", call: "fsync", error: "EIO" }),
  // Of the head.
  ...faults(3, { since: "work", call: "fdatasync", error: "EIO" }),
  ...faults(1, { since: "open", call: "fdatasync", error: "EIO" }),
  // To all three.
  ...faults(20, { since: "work", call: "write", error: "EIO" }, 4),
  ...faults(20, { since: "work", call: "write", error: "ENOSPC" }, 4),
  ...faults(6, { since: "open", call: "write", error: "EIO" }),
  ...faults(5, { since: "open", call: "write", error: "ENOSPC" }),
  ...faults(14, { since: "recovery", call: "write", error: "EIO" }, 2),
];

function faults(count: number, fault: Omit<DiskFault, "at">, step = 1): readonly DiskFault[] {
  return Array.from({ length: count }, (_, index) => ({ ...fault, at: 1 + index * step }));
}

/** The rows that are there; fails when one of them is not what was written. */
function rowsOf(storage: Storage): readonly number[] {
  return storage.scan("page", 4, 0, 4, noLimit).map(({ b, value }) => {
    expect(Buffer.compare(value, committedValue(b)), `row ${b}`).toBe(0);
    return b;
  });
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

test("G2: owners killed at random moments: every acknowledged row is there, and no gap", {
  timeout,
}, async () => {
  const random = new SeededRandom(9);
  const directory = join(temporaryDirectory(), "store");
  let acknowledged = 0;
  let before = 0;
  for (let round = 0; round < 16; round++) {
    const owner = spawn(process.execPath, [...childFlags, directory, "1000000"]);
    let output = "";
    owner.stdout.on("data", (chunk) => {
      output += chunk;
    });
    const closed = once(owner, "close");
    // The first rounds end while the store is being made, the others at work.
    if (round > 4) await once(owner.stdout, "data");
    await sleep(round > 4 ? random.float() * 60 : 40 + 12 * round);
    owner.kill("SIGKILL");
    await closed;

    acknowledged = Math.max(acknowledged, ...output.trim().split("\n").map(Number));
    const storage = openSqliteStorage(directory);
    const rows = rowsOf(storage);
    expect(rows).toEqual(upTo(rows.length));
    expect(rows.length).toBeGreaterThanOrEqual(acknowledged);
    // Each owner may have been killed between a commit and telling of it.
    expect(rows.length).toBeLessThanOrEqual(Math.max(acknowledged, before) + 1);
    before = rows.length;
    if (round > 4) expect(acknowledged).toBeGreaterThan(0);
    storage.close();
  }
});

test("G2: 100 errors of the disk: nothing acknowledged is lost, nothing rejected comes back", {
  timeout,
}, (context) => {
  const environment = failingDisk(temporaryDirectory());
  if (environment === undefined) return context.skip("needs Linux and a C compiler");
  // What fails is told to; how long a disk takes to flush is nothing that is tried here.
  const store = join(temporaryDirectory("memory"), "store");
  const output = execFileSync(
    process.execPath,
    [...faultyFlags, store, JSON.stringify(everyError)],
    { encoding: "utf8", env: environment, maxBuffer: 2 ** 28 },
  );
  const reports = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as FaultReport);
  expect(reports).toHaveLength(100);
  for (const { fault, during, failure, later, told, rows } of reports) {
    const what = `${JSON.stringify(fault)} during ${during}`;
    const found = new Set(rows);
    expect(
      told.acknowledged.filter((row) => !found.has(row)),
      `lost: ${what}`,
    ).toEqual([]);
    expect(
      told.rejected.filter((row) => found.has(row)),
      `came back: ${what}`,
    ).toEqual([]);
    expect(rows.length).toBeLessThanOrEqual(told.acknowledged.length + told.unknown.length);
    // Where anything is unknown nothing goes on; where there was no room everything does.
    const full = failure?.[1] === "disk-full";
    const failed = ["STORE_FAILED", "failed"];
    const uses = full ? ["works", "works", "works"] : [["INDETERMINATE", "failed"], failed, failed];
    if (during !== "open" && failure !== undefined) expect(later, what).toEqual(uses);
    if (during === "commit" && !full) expect(failure?.[0], what).toBe("INDETERMINATE");
    if (fault.error === "ENOSPC" && failure !== undefined) expect(full, what).toBe(true);
  }
  const hits = (during: FaultReport["during"]) =>
    reports.filter((report) => report.during === during).length;
  for (const during of ["open", "commit", "checkpoint"] as const) {
    expect(hits(during), during).toBeGreaterThan(5);
  }
  // A write that found no room is repeated when the log has made some, or the head lags; and SQLite
  // lets the flush of a directory pass.
  expect(hits(undefined)).toBeLessThan(30);
});

test("G2: a full disk of 1 MiB: what was acknowledged stays, and work goes on when there is room", (context) => {
  const disk = join(temporaryDirectory(), "disk");
  mkdirSync(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    context.skip("needs the right to mount");
  }
  onTestFinished(() => void execFileSync("umount", [disk]));
  const storage = openSqliteStorage(disk);
  const refused = (): ReturnType<typeof summaryOf> => {
    const value = committedValue(next);
    return summaryOf(failureOf(() => storage.commit([{ table: "page", a: 4, b: next, value }])));
  };
  let next = 1;
  while (refused() === undefined) next++;
  expect(next).toBeGreaterThan(50);
  for (let attempt = 0; attempt < 20; attempt++) {
    expect(refused()).toEqual(["STORE_FAILED", "disk-full"]);
  }
  expect(rowsOf(storage)).toEqual(upTo(next - 1));
  storage.checkpoint();
  expect(refused()).toEqual(["STORE_FAILED", "disk-full"]);
  expect(rowsOf(storage)).toEqual(upTo(next - 1));
  failureOf(() => storage.close());

  execFileSync("mount", ["-o", "remount,size=8m", disk], { stdio: "ignore" });
  const again = openSqliteStorage(disk);
  expect(rowsOf(again)).toEqual(upTo(next - 1));
  again.commit([{ table: "page", a: 4, b: next, value: committedValue(next) }]);
  again.checkpoint();
  expect(rowsOf(again)).toEqual(upTo(next));
  again.close();
});
