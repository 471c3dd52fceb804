/**
 * Groups of writes, each whole or not at all, and the log that they are in until a checkpoint.
 *
 *   full disk, also when the
 *   log has made room for it    rolled back, nothing of it was kept     STORE_FAILED    and goes on
 *   damage, before the commit   the same                                STORE_FAILED    and goes on
 *   anything in the commit      nobody knows what is on the disk        INDETERMINATE   and ends
 *   an error of the disk        nor what else it has lost               INDETERMINATE   and ends
 *
 * After a flush that failed, a second one may report success without having written anything. So
 * nothing is repeated: every later call fails until the store is opened, and thereby verified, again.
 *
 * @see A. Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import type { RowChecksum } from "./checksum.ts";
import { asStoreError, isFull, isStoreFault, storeError } from "./failure.ts";
import type { HeadFile } from "./head-file.ts";
import { LogFile } from "./log-file.ts";
import type { OpenedDatabase } from "./open-database.ts";
import { moveLog, pragma } from "./pragmas.ts";
import type { Room } from "./room.ts";
import type { StoreState } from "./state.ts";
import type { StoreFiles } from "./store-files.ts";
import { verifyTallies } from "./verify.ts";

/** A longer log would hold up the commits behind its checkpoint for too long. */
const checkpointBytesMax = 8 * 2 ** 20;

/** Of the reserve: on a small disk the log would be all of it. */
const logShare = 1 / 2;
const checkpointBytesMin = 2 ** 17;

/** A file is rewritten when it is several times as long as its content, and that is soon written. */
const looseFactor = 8;
const looseBytesMin = 16 * 2 ** 20;
const rewriteBytesMax = 16 * 2 ** 20;

export interface TransactionsOptions {
  readonly files: StoreFiles;
  readonly opened: OpenedDatabase;
  readonly head: HeadFile;
  readonly room: Room;
}

export class Transactions {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #checksum: RowChecksum;
  readonly #state: StoreState;
  readonly #head: HeadFile;
  readonly #log: LogFile;
  readonly #room: Room;
  readonly #checkpointBytes: number;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #writeState: StatementSync;
  readonly #measureLog: StatementSync;
  readonly #pageBytes: number;
  #logBytes = 0;
  #checkpointAtBytes: number;
  #failure: unknown;

  constructor({ files, opened, head, room }: TransactionsOptions) {
    const { database, checksum, state } = opened;
    this.#file = files.database;
    this.#database = database;
    this.#checksum = checksum;
    this.#state = state;
    this.#head = head;
    this.#room = room;
    this.#checkpointBytes = checkpointBytesFor(room.reserveBytes);
    this.#checkpointAtBytes = this.#checkpointBytes;
    this.#log = new LogFile(files.log, this.#checkpointBytes);
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#writeState = database.prepare("UPDATE state SET value = ?, crc = ?");
    this.#measureLog = database.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.#pageBytes = pragma(database, "page_size") as number;
  }

  /** The failure after which nothing is certain any more. */
  get failure(): unknown {
    return this.#failure;
  }

  get checkpointDue(): boolean {
    return this.#logBytes >= this.#checkpointAtBytes;
  }

  /** @throws STORE_FAILED after a failure. */
  requireSound(): void {
    if (this.#failure === undefined) return;
    throw storeError("failed", { file: this.#file }, { cause: this.#failure });
  }

  /**
   * Commits what `write` writes, and the state record with it.
   *
   * @throws STORE_FAILED: nothing of it was written; INDETERMINATE, as every later time, too.
   */
  run(write: () => void): void {
    if (this.#failure !== undefined) throw this.#ended();
    try {
      this.#runOnce(write);
    } catch (error) {
      // What the log holds may have a place in the database, and leave its own to this.
      if (!isDiskFull(error) || !this.#emptyLog()) throw error;
      this.#runOnce(write);
    }
  }

  #runOnce(write: () => void): void {
    const state = this.#state;
    let committing = false;
    try {
      this.#begin.run();
      write();
      state.sequence++;
      const record = state.encode();
      this.#writeState.run(record, this.#checksum.ofRecord(record));
      committing = true;
      this.#commit.run();
    } catch (error) {
      state.restore();
      throw this.#undo(error, committing);
    }
    state.save();
    this.#advanceHead();
    const before = this.#logBytes;
    this.#logBytes = Number(this.#measureLog.get()?.["log"]) * this.#pageBytes;
    this.#log.reserve(this.#logBytes);
    this.#room.written(Math.max(0, this.#logBytes - before));
  }

  /** Runs `read`, which reads `table`. A disk that cannot be read cannot be trusted with writes. */
  read<Result>(table: string, read: () => Result): Result {
    try {
      return read();
    } catch (error) {
      const failure = asStoreError(error, { file: this.#file, table });
      if (isInputOutput(failure)) this.#failure = error;
      throw failure;
    }
  }

  /**
   * Moves the log into the database. On a full disk it stays where it is, as safe as before, and the
   * next checkpoint is due a little later.
   *
   * @param mode - "TRUNCATE" also empties the log, for the end.
   * @throws STORE_FAILED, and every later call fails.
   */
  checkpoint(mode: "PASSIVE" | "TRUNCATE"): void {
    try {
      moveLog(this.#database, mode);
      if (this.#isLoose() && this.#rewrite()) moveLog(this.#database, mode);
      this.#head.flushed(this.#state.sequence);
    } catch (error) {
      if (!isFull(error)) {
        this.#failure = error;
        throw asStoreError(error, { file: this.#file });
      }
      this.#checkpointAtBytes = this.#logBytes + this.#checkpointBytes / 8;
      return;
    }
    this.#logBytes = 0;
    this.#checkpointAtBytes = this.#checkpointBytes;
    this.#room.look();
  }

  /** @returns whether there is room in the log now that was taken before. */
  #emptyLog(): boolean {
    this.#room.look();
    if (this.#logBytes === 0) return false;
    this.checkpoint("PASSIVE");
    return this.#logBytes === 0;
  }

  #ended(): ColloquyError<"INDETERMINATE"> {
    const details = { file: this.#file, reason: "failed" };
    const message = "the store was ended by an earlier failure: open it again";
    return new ColloquyError("INDETERMINATE", message, { cause: this.#failure, details });
  }

  /** The commit is on the disk, which then failed: whoever waits for it is not told that it was kept. */
  #advanceHead(): void {
    try {
      this.#head.committed(this.#state.sequence);
    } catch (error) {
      this.#failure = error;
      throw indeterminate(error, this.#file);
    }
  }

  /** Leaves no transaction open. @returns what to throw. */
  #undo(error: unknown, committing: boolean): unknown {
    try {
      // SQLite has rolled back by itself after some errors, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    } catch (cause) {
      this.#failure = cause;
    }
    const failure = asStoreError(error, { file: this.#file });
    if (isFull(error) || !isStoreFault(error)) return failure;
    if (!committing && !isInputOutput(failure)) return failure;
    this.#failure ??= error;
    return indeterminate(error, this.#file);
  }

  /**
   * Rewrites the file without its gaps; on a full disk it stays as it is. Keys are made anew from the
   * rows meanwhile, so that damage to a row could spread to its key: hence the second look.
   */
  #rewrite(): boolean {
    try {
      this.#database.exec("VACUUM");
    } catch (error) {
      if (isFull(error)) return false;
      throw error;
    }
    verifyTallies(this.#database, this.#file, this.#state);
    return true;
  }

  /** Whether most of the file is empty and the rest is soon rewritten: after a long queue has drained. */
  #isLoose(): boolean {
    const bytes = this.#pageBytes * (pragma(this.#database, "page_count") as number);
    const free = this.#pageBytes * (pragma(this.#database, "freelist_count") as number);
    const used = bytes - free;
    return used <= rewriteBytesMax && bytes > looseFactor * used + looseBytesMin;
  }
}

function indeterminate(cause: unknown, file: string): ColloquyError<"INDETERMINATE"> {
  const message = "the commit failed: it may or may not be kept";
  return new ColloquyError("INDETERMINATE", message, { cause, details: { file } });
}

function checkpointBytesFor(reserveBytes: number): number {
  if (reserveBytes === 0) return checkpointBytesMax;
  const share = Math.max(reserveBytes * logShare, checkpointBytesMin);
  return Math.min(share, checkpointBytesMax);
}

function isInputOutput(error: unknown): boolean {
  return error instanceof ColloquyError && error.details["reason"] === "input-output";
}

function isDiskFull(error: unknown): boolean {
  return error instanceof ColloquyError && error.details["reason"] === "disk-full";
}
