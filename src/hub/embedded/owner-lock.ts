/**
 * Who owns a directory. The lock is one that the operating system takes back when the process dies,
 * however it dies: an exclusive lock of SQLite on a file that stays empty.
 */
import { DatabaseSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";

/** Result codes of SQLite. @see https://www.sqlite.org/rescode.html */
const busy = 5;
const locked = 6;

export class OwnerLock {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Safe to repeat. */
  release(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

/**
 * @returns undefined when another process, or another part of this one, holds the lock.
 * @throws STORE_FAILED when the file cannot be locked at all: no permission, no SQLite file.
 */
export function tryOwnerLock(file: string): OwnerLock | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return new OwnerLock(database);
  } catch (error) {
    if (database?.isOpen === true) database.close();
    const code = (error as { readonly errcode?: number }).errcode ?? 0;
    if ((code & 0xff) === busy || (code & 0xff) === locked) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new ColloquyError("STORE_FAILED", `${file} cannot be locked: ${why}`, {
      cause: error,
      details: { file },
    });
  }
}
