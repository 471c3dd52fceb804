/** What is asked of SQLite by pragma. */
import type { DatabaseSync } from "node:sqlite";
import { storeError } from "./failure.ts";

/** The value of a pragma that has one. */
export function pragma(database: DatabaseSync, name: string): string | number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Object.values(row ?? {})[0] as string | number;
}

/**
 * Moves all of the log into the database and flushes it; "TRUNCATE" also empties the log. SQLite would
 * do it by itself, but keeps to itself what goes wrong then.
 *
 * @throws STORE_FAILED where it did not come to its end. Errors of SQLite pass through.
 */
export function moveLog(database: DatabaseSync, mode: "PASSIVE" | "TRUNCATE"): void {
  const result = database.prepare(`PRAGMA wal_checkpoint(${mode})`).get();
  const { busy, log, checkpointed } = result as Record<string, unknown>;
  if (busy !== 0 || log !== checkpointed) {
    throw storeError("input-output", { busy, log, checkpointed });
  }
}
