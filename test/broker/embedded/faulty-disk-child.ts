/**
 * Commits rows to the store in the directory it is given, over a disk of which one call fails, then
 * opens what is left as the next owner would; as often as it is given faults. Prints what became of
 * it, a line of JSON for each fault (see `FaultReport`).
 *
 *   faulty-disk-child <directory> <faults as JSON>
 */
import { cpSync, rmSync, writeSync } from "node:fs";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import type { Storage } from "../../../src/broker/engine/storage.ts";
import type { ColloquyError } from "../../../src/errors.ts";
import { committedValue } from "./committed-value.ts";
import { type DiskFault, setDiskFault } from "./failing-disk.ts";
import { failureOf, summaryOf } from "./failures.ts";

/** Rows by what their writer was told, all of them since the first fault. */
export interface Told {
  readonly acknowledged: number[];
  readonly rejected: number[];
  readonly unknown: number[];
}

export interface FaultReport {
  readonly fault: DiskFault;
  /** What failed, and how it was reported; undefined where nobody noticed. */
  readonly during: "open" | "commit" | "checkpoint" | "close" | undefined;
  readonly failure: ReturnType<typeof summaryOf>;
  /** How calls failed after that one, where the storage did not go on. */
  readonly later: readonly unknown[];
  readonly told: Told;
  /** What was there when the store was opened again, whole. */
  readonly rows: readonly number[];
}

const rowsPerFault = 24;
const rowsPerCheckpoint = 4;

const told: Told = { acknowledged: [], rejected: [], unknown: [] };
let next = 1;
let directory = "";
let directories = 0;

type Attempt = (what: FaultReport["during"], run: () => void) => boolean;

function suffer(fault: DiskFault): FaultReport {
  let during: FaultReport["during"];
  let failure: ColloquyError | undefined;
  let later: readonly unknown[] = [];
  const attempt: Attempt = (what, run) => {
    const error = failureOf(run);
    if (error !== undefined && failure === undefined) [during, failure] = [what, error];
    return error === undefined;
  };
  if (fault.since === "recovery") leaveLog();
  if (fault.since !== "work") setDiskFault(fault);
  let storage: Storage | undefined;
  attempt("open", () => {
    storage = openSqliteStorage(directory);
  });
  if (fault.since === "work") setDiskFault(fault);
  if (storage !== undefined) {
    const opened = storage;
    commitUntilFailure(opened, attempt);
    if (failure !== undefined) later = usesOf(opened);
    if (fault.at % 2 === 0) attempt("close", () => opened.close());
    else abandon(opened);
  }
  setDiskFault(undefined);
  const rows = rowsIn(directory);
  return { fault, during, failure: summaryOf(failure), later, told, rows };
}

/** Goes on with the files as a killed owner leaves them: the locks of one that is alive stay behind. */
function abandon(storage: Storage): void {
  const copy = `${directory}-${++directories}`;
  cpSync(directory, copy, { recursive: true });
  setDiskFault(undefined);
  failureOf(() => storage.close());
  rmSync(directory, { recursive: true });
  directory = copy;
}

function leaveLog(): void {
  const storage = openSqliteStorage(directory);
  for (const last = next + 6; next < last; next++) {
    storage.commit([{ table: "page", a: 4, b: next, value: committedValue(next) }]);
    told.acknowledged.push(next);
  }
  abandon(storage);
}

function commitUntilFailure(storage: Storage, attempt: Attempt): void {
  for (let count = 0; count < rowsPerFault; count++) {
    const row = next++;
    let failure: ColloquyError | undefined;
    const committed = attempt("commit", () => {
      failure = failureOf(() => {
        storage.commit([{ table: "page", a: 4, b: row, value: committedValue(row) }]);
      });
      if (failure !== undefined) throw failure;
    });
    if (committed) told.acknowledged.push(row);
    else if (failure?.code === "INDETERMINATE") told.unknown.push(row);
    else told.rejected.push(row);
    if (!committed) return;
    if (row % rowsPerCheckpoint !== 0) continue;
    if (!attempt("checkpoint", () => storage.checkpoint())) return;
  }
}

/** How a commit, a read and a checkpoint end now: undefined for those that work. */
function usesOf(storage: Storage): readonly unknown[] {
  const row = next++;
  const commit = failureOf(() => {
    storage.commit([{ table: "page", a: 4, b: row, value: committedValue(row) }]);
  });
  (commit === undefined ? told.acknowledged : told.unknown).push(row);
  return [
    commit,
    failureOf(() => storage.read("page", 4, 1)),
    failureOf(() => storage.checkpoint()),
  ].map((error) => summaryOf(error) ?? "works");
}

function rowsIn(directory: string): readonly number[] {
  const storage = openSqliteStorage(directory);
  try {
    const limits = { rows: Number.MAX_SAFE_INTEGER };
    return storage.scan("page", 4, 0, 4, limits).map(({ b, value }) => {
      if (Buffer.compare(value, committedValue(b)) !== 0) throw new Error(`row ${b} is wrong`);
      return b;
    });
  } finally {
    storage.close();
  }
}

if (import.meta.main) {
  directory = process.argv[2] ?? "";
  for (const fault of JSON.parse(process.argv[3] ?? "[]") as readonly DiskFault[]) {
    writeSync(1, `${JSON.stringify(suffer(fault))}\n`);
  }
}
