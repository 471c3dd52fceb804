/** Errors of the disk under an owner's worker: what its process and its senders make of them. Promise G2. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type DiskFault, failingDisk } from "../../broker/embedded/failing-disk.ts";
import { temporaryDirectory } from "../../broker/embedded/stores.ts";
import { absolute } from "../../support/repository.ts";
import { sourceFlags } from "../../support/run-node.ts";
import type { OwnerReport } from "../support/failing-owner.ts";

const faults: readonly DiskFault[] = [
  ...[1, 2, 5, 9].map((at) => ({ since: "work", call: "fsync", error: "EIO", at }) as const),
  ...[1, 4, 10, 30].map((at) => ({ since: "work", call: "write", error: "EIO", at }) as const),
];

test("G2: an error of the disk ends the store's thread, the next one verifies and resumes; a second stays down", {
  timeout: 120_000,
}, (context) => {
  const directory = temporaryDirectory("memory");
  const environment = failingDisk(temporaryDirectory());
  if (environment === undefined) return context.skip("needs Linux and a C compiler");
  const program = absolute("test/hub/support/failing-owner.ts");
  const output = execFileSync(
    process.execPath,
    [...sourceFlags, program, join(directory, "data"), JSON.stringify(faults)],
    { encoding: "utf8", env: environment },
  );
  const reports = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as OwnerReport);
  expect(reports).toHaveLength(faults.length);
  for (const { fault, statuses, told, found } of reports) {
    const what = JSON.stringify(fault);
    const there = new Set(found);
    expect(there.size, `stored twice: ${what}`).toBe(found.length);
    expect(
      told.stored.filter((id) => !there.has(id)),
      `lost: ${what}`,
    ).toEqual([]);
    expect(
      told.rejected.filter((id) => there.has(id)),
      `came back: ${what}`,
    ).toEqual([]);
    expect(statuses, what).toEqual(["ready", "lost", "ready", "lost", "closed"]);
  }
  const { told } = reports.at(-1) as OwnerReport;
  // What failed the first time was repeated and acknowledged.
  expect(told.stored.length).toBeGreaterThan(faults.length * 12);
});
