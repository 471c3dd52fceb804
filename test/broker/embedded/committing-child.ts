/**
 * Commits one row after the other to the store in the directory it is given, and prints the number of
 * each once it is safe. Ends when it is killed, when the rows are used up, or with a commit that fails:
 * then it prints what failed and how later calls fail.
 *
 *   committing-child <directory> <rows> [close]
 */
import { writeSync } from "node:fs";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import type { Storage } from "../../../src/broker/engine/storage.ts";
import { committedValue } from "./committed-value.ts";
import { failureOf, summaryOf } from "./failures.ts";

const rowsPerCheckpoint = 5;

function commitAll(storage: Storage, first: number, rows: number): ReturnType<typeof failureOf> {
  for (let row = first; row < first + rows; row++) {
    const failure = failureOf(() => {
      storage.commit([{ table: "page", a: 4, b: row, value: committedValue(row) }]);
      print(`${row}\n`);
      if (row % rowsPerCheckpoint === 0) storage.checkpoint();
    });
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function print(line: string): void {
  writeSync(1, line);
}

function main(directory: string, rows: number, close: boolean): void {
  let storage: Storage | undefined;
  let failure = failureOf(() => {
    storage = openSqliteStorage(directory);
  });
  const later: unknown[] = [];
  if (storage !== undefined) {
    const opened = storage;
    const last = opened.floor("page", 4, Number.MAX_SAFE_INTEGER)?.b ?? 0;
    failure = commitAll(opened, last + 1, rows);
    if (failure !== undefined) {
      for (const call of [
        () => opened.commit([{ table: "page", a: 8, b: 1, value: committedValue(1) }]),
        () => opened.read("page", 4, 1),
        () => opened.checkpoint(),
      ]) {
        later.push(summaryOf(failureOf(call)));
      }
    }
    if (close) failureOf(() => opened.close());
  }
  print(`${JSON.stringify({ failure: summaryOf(failure), later })}\n`);
  process.exit(0);
}

if (import.meta.main)
  main(process.argv[2] ?? "", Number(process.argv[3]), process.argv[4] === "close");
