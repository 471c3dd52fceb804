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
import { failureOf, summaryOf } from "./failures.ts";
import { noLimit, temporaryDirectory } from "./stores.ts";

/** For machines that are busy with other things. */
const timeout = 120_000;

const child = new URL("committing-child.ts", import.meta.url).pathname;
const childFlags = ["--disable-warning=ExperimentalWarning", child];

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

test("owners killed at random moments: every acknowledged row is there, and no gap", {
  timeout,
}, async () => {
  const random = new SeededRandom(9);
  const directory = join(temporaryDirectory(), "store");
  let acknowledged = 0;
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
    expect(rows.length).toBeLessThanOrEqual(acknowledged + 1);
    if (round > 4) expect(acknowledged).toBeGreaterThan(0);
    storage.close();
  }
});

test("a flush that fails: the commit is indeterminate, and nothing works until it is opened again", {
  timeout,
}, (context) => {
  const library = join(temporaryDirectory(), "failing-fsync.so");
  const source = new URL("failing-fsync.c", import.meta.url).pathname;
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source], { stdio: "ignore" });
  } catch {
    context.skip("needs a C compiler");
  }
  const codes: unknown[] = [];
  for (let failsAt = 1; failsAt <= 20; failsAt++) {
    const directory = temporaryDirectory();
    const close = failsAt % 2 === 0 ? ["close"] : [];
    const output = execFileSync(process.execPath, [...childFlags, directory, "12", ...close], {
      encoding: "utf8",
      env: { ...process.env, LD_PRELOAD: library, FSYNC_FAILS_AT: `${failsAt}` },
    });
    const lines = output.trim().split("\n");
    const { failure, later } = JSON.parse(lines.pop() ?? "") as Record<string, unknown[]>;
    const acknowledged = lines.length;
    const storage = openSqliteStorage(directory);
    const rows = rowsOf(storage);
    storage.close();

    const code = failure?.[0];
    codes.push(code);
    expect(rows, `flush ${failsAt}`).toEqual(upTo(rows.length));
    expect(rows.length).toBeGreaterThanOrEqual(acknowledged);
    expect(rows.length).toBeLessThanOrEqual(acknowledged + (code === "INDETERMINATE" ? 1 : 0));
    for (const call of later ?? []) expect(call).toEqual(["STORE_FAILED", "failed"]);
  }
  // While it is opened and in a checkpoint nothing is lost; SQLite lets the flush of a directory pass.
  const count = (code: unknown) => codes.filter((found) => found === code).length;
  expect(count("INDETERMINATE")).toBeGreaterThanOrEqual(6);
  expect(count("STORE_FAILED")).toBeGreaterThanOrEqual(8);
  expect(count(undefined)).toBeLessThanOrEqual(2);
  expect(codes.length).toBe(count("INDETERMINATE") + count("STORE_FAILED") + count(undefined));
});

test("a full disk of 1 MiB: what was acknowledged stays, and work goes on when there is room", (context) => {
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
