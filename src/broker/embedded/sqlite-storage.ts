/** The durable storage of the embedded broker: one SQLite file, one owner, one thread. */
import type { DatabaseSync } from "node:sqlite";
import { ColloquyError, isColloquyError } from "../../errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { DurabilityClaim } from "../broker.ts";
import type {
  NamedRow,
  NamedTable,
  NumberedRow,
  NumberedTable,
  ScanLimits,
  Storage,
  StorageShortage,
  Write,
} from "../engine/storage.ts";
import { claimDurability, requireSqlite } from "./durability.ts";
import { asStoreError, storeError } from "./failure.ts";
import { HeadFile } from "./head-file.ts";
import { type OpenedDatabase, openDatabase } from "./open-database.ts";
import { Quota } from "./quota.ts";
import { Room } from "./room.ts";
import { NamedRows, NumberedRows } from "./rows.ts";
import { namedTables, numberedTables } from "./schema.ts";
import { type StoreFiles, storeFilesIn } from "./store-files.ts";
import { Transactions } from "./transactions.ts";

export interface SqliteStorageOptions {
  /** "os" flushes every commit to the disk; "process" leaves that to the system. Default: "os". */
  readonly durability?: "os" | "process";
  /** Longest the database file may become, bytes; 256 KiB or more. Default: as the disk allows. */
  readonly bytesMax?: number;
  /**
   * Free bytes of the disk that are kept for work that is there: below, nothing new is taken in.
   * Default: 64 MiB or 5% of the disk, whichever is more; of a disk under 256 MiB, a quarter.
   */
  readonly reserveBytes?: number;
  /** Draws the identity of a new store. Default: the system's. */
  readonly random?: Random;
}

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
  const opened = openDatabase(files, options.random);
  let head: HeadFile | undefined;
  try {
    const { identity, state } = opened;
    const relaxed = options.durability === "process";
    head = new HeadFile(files.head, { identity, sequence: state.sequence, relaxed });
    return new SqliteStorage(files, opened, head, options);
  } catch (error) {
    head?.close();
    opened.database.close();
    if (!isColloquyError(error, "INDETERMINATE"))
      throw asStoreError(error, { file: files.database });
    throw storeError("input-output", { file: files.database }, { cause: error });
  }
}

class SqliteStorage implements Storage {
  readonly durability: DurabilityClaim;
  readonly epoch: number;
  readonly unclean: boolean;
  readonly #database: DatabaseSync;
  readonly #head: HeadFile;
  readonly #transactions: Transactions;
  readonly #numbered: ReadonlyMap<NumberedTable, NumberedRows>;
  readonly #named: ReadonlyMap<NamedTable, NamedRows>;
  readonly #quota: Quota | undefined;
  readonly #room: Room;
  readonly #markOpen: (open: boolean) => void;
  #closed = false;

  constructor(
    files: StoreFiles,
    opened: OpenedDatabase,
    head: HeadFile,
    options: SqliteStorageOptions,
  ) {
    const { database, state } = opened;
    const { durability, bytesMax, reserveBytes } = options;
    this.#head = head;
    this.#database = database;
    this.#quota = bytesMax === undefined ? undefined : new Quota(database, bytesMax);
    this.#room = new Room(files.directory, database, reserveBytes);
    this.#transactions = new Transactions({ files, opened, head, room: this.#room });
    this.#numbered = new Map(
      numberedTables.map(({ name, number }) => [name, new NumberedRows(name, number, opened)]),
    );
    this.#named = new Map(
      namedTables.map(({ name, number }) => [name, new NamedRows(name, number, opened)]),
    );
    this.#markOpen = (open) => {
      state.open = open;
      if (open) state.epoch++;
    };
    this.unclean = state.open;
    this.#transactions.run(() => this.#markOpen(true));
    head.flushed(state.sequence);
    this.epoch = state.epoch;
    if (durability === "process") database.exec("PRAGMA synchronous = NORMAL");
    this.durability = claimDurability(database, files.directory);
  }

  get checkpointDue(): boolean {
    return this.#transactions.checkpointDue;
  }

  get shortage(): StorageShortage | undefined {
    return this.#quota?.shortage ?? this.#room.shortage;
  }

  commit(writes: readonly Write[]): void {
    this.#requireOpen();
    if (writes.length === 0) return;
    this.#quota?.admit(writes);
    this.#transactions.run(() => this.#write(writes));
  }

  read(table: NumberedTable, a: number, b: number): Uint8Array | undefined {
    return this.#reading(table, () => this.#numberedRows(table).read(a, b));
  }

  scan(
    table: NumberedTable,
    a: number,
    b: number,
    lastA: number,
    limits: ScanLimits,
  ): readonly NumberedRow[] {
    return this.#reading(table, () => this.#numberedRows(table).scan(a, b, lastA, limits));
  }

  floor(table: NumberedTable, a: number, b: number): NumberedRow | undefined {
    return this.#reading(table, () => this.#numberedRows(table).floor(a, b));
  }

  readNamed(table: NamedTable, name: string): Uint8Array | undefined {
    return this.#reading(table, () => this.#namedRows(table).read(name));
  }

  scanNamed(
    table: NamedTable,
    prefix: string,
    after: string,
    limits: ScanLimits,
  ): readonly NamedRow[] {
    return this.#reading(table, () => this.#namedRows(table).scan(prefix, after, limits));
  }

  /** A full disk puts it off. @throws STORE_FAILED after any other failure, as every later call does. */
  checkpoint(): void {
    this.#requireUsable();
    this.#transactions.checkpoint("PASSIVE");
  }

  /** @throws STORE_FAILED when the end could not be marked as clean; files are released even then. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.#transactions.failure === undefined) {
        this.#transactions.run(() => this.#markOpen(false));
        this.#transactions.checkpoint("TRUNCATE");
      }
    } finally {
      this.#head.close();
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

  #reading<Result>(table: NumberedTable | NamedTable, read: () => Result): Result {
    this.#requireUsable();
    return this.#transactions.read(table, read);
  }

  #requireUsable(): void {
    this.#requireOpen();
    this.#transactions.requireSound();
  }

  #requireOpen(): void {
    if (this.#closed) throw new ColloquyError("CLOSED", "the store is closed");
  }

  #numberedRows(table: NumberedTable): NumberedRows {
    return this.#numbered.get(table) as NumberedRows;
  }

  #namedRows(table: NamedTable): NamedRows {
    return this.#named.get(table) as NamedRows;
  }
}
