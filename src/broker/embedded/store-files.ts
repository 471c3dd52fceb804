/**
 * The files of a store, looked at without opening the database file: closing it again would drop the
 * locks that SQLite holds on it in this process (POSIX advisory locks belong to process and file).
 */
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  rmSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { makeDirectory } from "../../runtime/make-directory.ts";
import { type StoreFailure, storeError, systemCode, systemFailureOf } from "./failure.ts";

export interface StoreFiles {
  readonly directory: string;
  readonly database: string;
  /** Commits that are not in the database file yet. Gone after a clean close. */
  readonly log: string;
  /** An index of the log that several processes share; never ours, since a store has one owner. */
  readonly sharedIndex: string;
  /** See head-file.ts. */
  readonly head: string;
}

export function storeFilesIn(directory: string): StoreFiles {
  const database = join(resolve(directory), "store.sqlite");
  return {
    directory: resolve(directory),
    database,
    log: `${database}-wal`,
    sharedIndex: `${database}-shm`,
    head: join(resolve(directory), "store.head"),
  };
}

/**
 * Makes the directory if need be, and makes sure that files in it can be opened and written.
 *
 * @throws STORE_FAILED
 */
export function prepareFiles(files: StoreFiles): void {
  const { directory, database, log, head } = files;
  provideDirectory(directory);
  const stats = statOf(directory);
  if (stats === undefined || !stats.isDirectory()) {
    throw storeError("not-a-directory", { directory });
  }
  requireAccess(directory, constants.R_OK | constants.X_OK, "permission-denied");
  requireAccess(directory, constants.W_OK, "read-only");
  for (const file of [database, log, head]) {
    const found = statOf(file);
    if (found === undefined) continue;
    if (!found.isFile()) throw storeError("foreign", { file });
    requireAccess(file, constants.R_OK, "permission-denied");
    requireAccess(file, constants.W_OK, "read-only");
  }
  // SQLite would take the log of a database that is not there for a left-over, and delete it.
  if (bytesOf(database) === 0 && bytesOf(log) > 0) throw storeError("missing", { file: database });
}

/** Messages are nobody else's business; SQLite gives its other files the same rights. */
export function makePrivately(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if (systemCode(error) === "EEXIST") return;
    throw storeError(systemFailureOf(error), { file }, { cause: error });
  }
}

/** 0 for a file that is not there. */
export function bytesOf(file: string): number {
  return statOf(file)?.size ?? 0;
}

export function removeFile(file: string): void {
  rmSync(file, { force: true });
}

function provideDirectory(directory: string): void {
  try {
    const made = makeDirectory(directory);
    if (made !== undefined) syncDirectory(dirname(made));
  } catch (error) {
    if (systemCode(error) === "EEXIST") return;
    throw storeError(systemFailureOf(error), { directory }, { cause: error });
  }
}

/** Makes the name of a new directory as durable as what will lie in it. Windows has no such call. */
export function syncDirectory(directory: string): void {
  if (process.platform === "win32") return;
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw storeError(systemFailureOf(error), { path }, { cause: error });
  }
}

function requireAccess(path: string, mode: number, reason: StoreFailure): void {
  try {
    accessSync(path, mode);
  } catch (error) {
    throw storeError(reason, { path }, { cause: error });
  }
}
