/** The durable storage of the embedded broker: one SQLite file, one owner, one thread. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { DurabilityClaim } from "../broker.ts";
import type {
  NamedRow,
  NamedTable,
  NumberedRow,
  NumberedTable,
  ScanLimits,
  Storage,
  Write,
} from "../engine/storage.ts";
import type { RowChecksum } from "./checksum.ts";
import { claimDurability, requireSqlite } from "./durability.ts";
import { asStoreError, isFull, storeError } from "./failure.ts";
import { type OpenedDatabase, openDatabase } from "./open-database.ts";
import { NamedRows, NumberedRows } from "./rows.ts";
import { namedTables, numberedTables } from "./schema.ts";
import type { StoreState } from "./state.ts";
import { type StoreFiles, storeFilesIn } from "./store-files.ts";
import { pragma } from "./verify.ts";

export interface SqliteStorageOptions {
  /** "os" flushes every commit to the disk; "process" leaves that to the system. Default: "os". */
  readonly durability?: "os" | "process";
  /** Longest the database file may become, bytes; 64 KiB or more. Default: as the disk allows. */
  readonly bytesMax?: number;
  /** Draws the identity of a new store. Default: the system's. */
  readonly random?: Random;
}

/** Bytes of log after which a checkpoint is due: longer ones hold up the commits behind them. */
const checkpointBytes = 8 * 2 ** 20;

/**
 * Opens the store in `directory`, and makes both if they are not there.
 *
 * @throws CONFLICT with `details.reason` "owned" while something else has it open.
 * @throws INVALID_VERSION when a newer program wrote it, UNSUPPORTED when this Node is too old.
 * @throws STORE_FAILED with a `StoreFailure` as `details.reason`; the files are then as they were.
 */
export function openSqliteStorage(directory: string, options: SqliteStorageOptions = {}): Storage {
  requireSqlite(process.versions["sqlite"]);
  const files = storeFilesIn(directory);
  return new SqliteStorage(files, openDatabase(files, options.random), options);
}

class SqliteStorage implements Storage {
  readonly durability: DurabilityClaim;
  readonly epoch: number;
  readonly unclean: boolean;
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #checksum: RowChecksum;
  readonly #state: StoreState;
  readonly #numbered: ReadonlyMap<NumberedTable, NumberedRows>;
  readonly #named: ReadonlyMap<NamedTable, NamedRows>;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #writeState: StatementSync;
  readonly #measureLog: StatementSync;
  readonly #pageBytes: number;
  #logBytes = 0;
  /** The failure after which nothing is certain any more. */
  #failure: unknown;
  #closed = false;

  constructor(files: StoreFiles, opened: OpenedDatabase, options: SqliteStorageOptions) {
    const { database, checksum, state } = opened;
    this.#file = files.database;
    this.#database = database;
    this.#checksum = checksum;
    this.#state = state;
    this.#numbered = new Map(
      numberedTables.map(({ name, number }) => [name, new NumberedRows(name, number, opened)]),
    );
    this.#named = new Map(
      namedTables.map(({ name, number }) => [name, new NamedRows(name, number, opened)]),
    );
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#writeState = database.prepare("UPDATE state SET value = ?, crc = ?");
    this.#measureLog = database.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.#pageBytes = pragma(database, "page_size") as number;
    this.unclean = state.open;
    this.#transact(() => {
      state.epoch++;
      state.open = true;
    });
    this.epoch = state.epoch;
    if (options.durability === "process") database.exec("PRAGMA synchronous = NORMAL");
    this.durability = claimDurability(database, files.directory);
  }

  get checkpointDue(): boolean {
    return this.#logBytes >= checkpointBytes;
  }

  commit(writes: readonly Write[]): void {
    this.#requireUsable();
    if (writes.length > 0) this.#transact(() => this.#write(writes));
  }

  read(table: NumberedTable, a: number, b: number): Uint8Array | undefined {
    return this.#reading(() => this.#numberedRows(table).read(a, b));
  }

  scan(
    table: NumberedTable,
    a: number,
    b: number,
    lastA: number,
    limits: ScanLimits,
  ): readonly NumberedRow[] {
    return this.#reading(() => this.#numberedRows(table).scan(a, b, lastA, limits));
  }

  floor(table: NumberedTable, a: number, b: number): NumberedRow | undefined {
    return this.#reading(() => this.#numberedRows(table).floor(a, b));
  }

  readNamed(table: NamedTable, name: string): Uint8Array | undefined {
    return this.#reading(() => this.#namedRows(table).read(name));
  }

  scanNamed(
    table: NamedTable,
    prefix: string,
    after: string,
    limits: ScanLimits,
  ): readonly NamedRow[] {
    return this.#reading(() => this.#namedRows(table).scan(prefix, after, limits));
  }

  /**
   * @throws STORE_FAILED: "disk-full" leaves everything as it was, and the storage goes on; after any
   * other reason every later call fails. What was committed is safe in the log either way.
   */
  checkpoint(): void {
    this.#requireUsable();
    this.#moveLog("PASSIVE");
  }

  /** @throws STORE_FAILED when the end could not be marked as clean; files are released even then. */
  close(): void {
    if (this.#closed) return;
    try {
      if (this.#failure === undefined) {
        this.#transact(() => {
          this.#state.open = false;
        });
        this.#moveLog("TRUNCATE");
      }
    } finally {
      this.#closed = true;
      this.#database.close();
    }
  }

  #write(writes: readonly Write[]): void {
    for (const write of writes) {
      if ("name" in write) {
        const rows = this.#namedRows(write.table);
        if (write.value === undefined) rows.delete(write.name);
        else rows.put(write.name, write.value);
      } else {
        const rows = this.#numberedRows(write.table);
        if (write.value === undefined) rows.delete(write.a, write.b);
        else rows.put(write.a, write.b, write.value);
      }
    }
  }

  #transact(write: () => void): void {
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
    this.#logBytes = Number(this.#measureLog.get()?.["log"]) * this.#pageBytes;
  }

  /** Leaves no transaction open. @returns what to throw. */
  #undo(error: unknown, committing: boolean): unknown {
    const full = isFull(error);
    try {
      // SQLite has rolled back by itself after some errors, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    } catch (cause) {
      this.#failure = cause;
    }
    const failure = asStoreError(error, { file: this.#file });
    if (full) return failure;
    this.#failure ??= error;
    if (!committing) return failure;
    return new ColloquyError("INDETERMINATE", "the commit failed: it may or may not be kept", {
      cause: error,
      details: { file: this.#file },
    });
  }

  #moveLog(mode: "PASSIVE" | "TRUNCATE"): void {
    try {
      const { busy, log, checkpointed } = this.#database
        .prepare(`PRAGMA wal_checkpoint(${mode})`)
        .get() as Record<string, unknown>;
      if (busy !== 0 || log !== checkpointed)
        throw storeError("input-output", { log, checkpointed });
    } catch (error) {
      if (!isFull(error)) this.#failure = error;
      throw asStoreError(error, { file: this.#file });
    }
    this.#logBytes = 0;
  }

  #reading<Result>(read: () => Result): Result {
    this.#requireUsable();
    try {
      return read();
    } catch (error) {
      throw asStoreError(error, { file: this.#file });
    }
  }

  #requireUsable(): void {
    if (this.#closed) throw new ColloquyError("CLOSED", "the store is closed");
    if (this.#failure === undefined) return;
    throw storeError("failed", { file: this.#file }, { cause: this.#failure });
  }

  #numberedRows(table: NumberedTable): NumberedRows {
    return this.#numbered.get(table) as NumberedRows;
  }

  #namedRows(table: NamedTable): NamedRows {
    return this.#named.get(table) as NamedRows;
  }
}
