/**
 * A store that may be damaged, opened to look at and to copy from: what can be read is read, what does
 * not match its checksum is told and left out. Nothing is written, to none of its files.
 *
 *                  rows come from                               and are taken when
 *   numbered, apart   the table, in order of rowid              their checksum and their key's match
 *   others            the one tree that they have               their checksum matches
 *
 * A tree that cannot be read in one place is read from its other end as well.
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { ColloquyError, type ErrorDetails } from "../../../errors.ts";
import type { NamedRow, NamedTable, NumberedRow, NumberedTable } from "../../engine/storage.ts";
import { RowChecksum } from "../checksum.ts";
import { asStoreError, isStoreFault, storeError } from "../failure.ts";
import { type Head, readHead } from "../head-file.ts";
import { findLogDamage } from "../log-scan.ts";
import { pragma } from "../pragmas.ts";
import { applicationId, formatVersion, namedTables, numberedTables } from "../schema.ts";
import { StoreState } from "../state.ts";
import { bytesOf, removeFile, type StoreFiles, storeFilesIn } from "../store-files.ts";

const pageBytes = 4_096;

/** Something that is not as it was written, in words and facts. */
export interface Damage {
  readonly what: string;
  readonly details: ErrorDetails;
}

type Columns = Record<string, unknown>;

export class DamagedStore {
  readonly files: StoreFiles;
  /** Of the rows that were found to be wanting so far. */
  readonly damages: Damage[] = [];
  readonly identity: Uint8Array;
  /** Undefined when the record is damaged. */
  readonly state: StoreState | undefined;
  readonly #database: DatabaseSync;
  readonly #checksum: RowChecksum;
  readonly #made: readonly string[];
  readonly #unsound = new Set<string>();

  /**
   * @throws CONFLICT while an owner has it open; INVALID_VERSION; STORE_FAILED when there is no store
   *   there, or nothing can be read of it.
   */
  constructor(directory: string) {
    const files = storeFilesIn(directory);
    this.files = files;
    if (bytesOf(files.database) === 0) throw storeError("missing", { file: files.database });
    this.#made = [files.log, files.sharedIndex].filter((file) => !existsSync(file));
    const head = this.#attempt(files.head, () => readHead(files.head));
    this.#database = openToLook(files);
    try {
      requireOurs(this.#database, files.database);
      this.identity = this.#readIdentity(head);
      this.#checksum = new RowChecksum(this.identity);
      this.state = this.#readState();
      this.#compareFiles(head);
      this.#findUnsound();
    } catch (error) {
      this.close();
      throw asStoreError(error, { file: files.database });
    }
  }

  /** Whether every row that the table must have is there and has its key. */
  isSound(table: NumberedTable | NamedTable): boolean {
    return !this.#unsound.has(table);
  }

  /** The healthy rows of a table; the others are told in `damages`. */
  *numbered(table: NumberedTable): Generator<NumberedRow, void, undefined> {
    const shape = numberedTables.find(({ name }) => name === table);
    if (shape === undefined) return;
    const apart = shape.layout === "apart";
    const order = apart ? "rowid" : "a, b";
    const byKey = `SELECT crc FROM ${table} INDEXED BY ${table}_key WHERE a = ? AND b = ?`;
    const indexed = apart ? this.#attempt(table, () => this.#database.prepare(byKey)) : undefined;
    const seen = new Set<string>();
    const told = this.damages.length;
    for (const row of this.#bothWays(table, "a, b, crc, value", order)) {
      const { a, b, crc, value } = row as unknown as NumberedRow & { readonly crc: unknown };
      if (seen.has(`${a} ${b}`)) continue;
      const whole =
        isKeyPart(a) &&
        isKeyPart(b) &&
        value instanceof Uint8Array &&
        crc === this.#checksum.ofNumbered(shape.number, a, b, value);
      // What was deleted may still lie in a page that came back to a place in the tree.
      const known =
        whole && (indexed === undefined || this.#isIndexed(() => indexed.get(a, b), crc));
      if (known) {
        seen.add(`${a} ${b}`);
        yield { a, b, value };
      } else {
        this.#tell(whole ? "a row that no key leads to" : "a row that is not as it was written", {
          table,
          a,
          b,
        });
      }
    }
    this.#compareRows(table, shape.number, seen.size, told);
  }

  *named(table: NamedTable): Generator<NamedRow, void, undefined> {
    const shape = namedTables.find((candidate) => candidate.name === table);
    if (shape === undefined) return;
    const seen = new Set<string>();
    const told = this.damages.length;
    for (const row of this.#bothWays(table, "name, crc, value", "name")) {
      const { name: bytes, crc, value } = row;
      const whole =
        bytes instanceof Uint8Array &&
        value instanceof Uint8Array &&
        crc === this.#checksum.ofNamed(shape.number, bytes, value);
      const name = bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : String(bytes);
      if (!whole) {
        this.#tell("a row that is not as it was written", { table, name });
      } else if (!seen.has(name)) {
        seen.add(name);
        yield { name, value };
      }
    }
    this.#compareRows(table, shape.number, seen.size, told);
  }

  /** A healthy row; undefined when there is none; "damaged" when nobody can tell. */
  row(table: NumberedTable, a: number, b: number): Uint8Array | "damaged" | undefined {
    const number = numberedTables.find(({ name }) => name === table)?.number ?? 0;
    const found = this.#attempt(
      table,
      () =>
        this.#database.prepare(`SELECT crc, value FROM ${table} WHERE a = ? AND b = ?`).get(a, b) ??
        null,
    );
    if (found === undefined) return "damaged";
    if (found === null) return this.isSound(table) ? undefined : "damaged";
    const { crc, value } = found;
    const whole =
      value instanceof Uint8Array && crc === this.#checksum.ofNumbered(number, a, b, value);
    if (whole) return value;
    this.#tell("a row that is not as it was written", { table, a, b });
    return "damaged";
  }

  /** Also takes away what SQLite made beside the files to read them. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
    for (const file of this.#made)
      if (file === this.files.sharedIndex || bytesOf(file) === 0) removeFile(file);
  }

  #readIdentity(head: Head | undefined): Uint8Array {
    const stored = this.#attempt("identity", () =>
      this.#database.prepare("SELECT value FROM identity").get(),
    )?.["value"];
    // Either of the two will do; where they differ, rows tell by their checksums whose they are.
    const identity = stored instanceof Uint8Array ? stored : head?.identity;
    if (identity === undefined)
      throw storeError("damaged", { file: this.files.database, table: "identity" });
    if (head !== undefined && Buffer.compare(identity, head.identity) !== 0) {
      this.#tell("a head that belongs to another store", { file: this.files.head });
    }
    return identity;
  }

  #readState(): StoreState | undefined {
    const row = this.#attempt("state", () =>
      this.#database.prepare("SELECT value, crc FROM state").get(),
    );
    const record = row?.["value"];
    if (record instanceof Uint8Array && row?.["crc"] === this.#checksum.ofRecord(record)) {
      const state = StoreState.decode(record);
      if (state !== undefined) return state;
    }
    this.#tell("the record that counts the rows", { table: "state" });
    return undefined;
  }

  #compareFiles(head: Head | undefined): void {
    const { database, log, head: headFile } = this.files;
    if (head === undefined && bytesOf(headFile) === 0)
      this.#tell("the head is missing", { file: headFile });
    const commits = this.state?.sequence ?? 0;
    if (head !== undefined && this.state !== undefined && commits < head.sequence) {
      this.#tell("the newest commits are missing", {
        file: database,
        commits,
        commitsExpected: head.sequence,
      });
    }
    if (bytesOf(log) === 0 || head?.relaxed === true) return;
    const damage = this.#attempt(log, () => findLogDamage(log, pageBytes) ?? null);
    if (damage !== null && damage !== undefined) {
      this.#tell("the log is damaged, and what lies behind cannot be used", {
        file: log,
        ...damage,
      });
    }
  }

  #findUnsound(): void {
    for (const { name, number } of [...numberedTables, ...namedTables]) {
      const rows = this.#attempt(
        name,
        () => this.#database.prepare(`SELECT count(*) AS rows FROM ${name}`).get()?.["rows"],
      );
      const rowsExpected = this.state?.tally(number).rows;
      if (rows === rowsExpected && rows !== undefined) continue;
      this.#unsound.add(name);
      if (rowsExpected !== undefined) {
        this.#tell("a table that has not the rows that it must have", {
          table: name,
          rowsExpected,
          rows,
        });
      }
    }
  }

  /**
   * A page may lead to one row twice, and to another not at all: each one is whole, and so is their
   * count where it comes from another tree. Told where nothing was told of the table before.
   */
  #compareRows(table: string, number: number, rows: number, told: number): void {
    const rowsExpected = this.state?.tally(number).rows;
    if (rowsExpected === undefined || rows === rowsExpected) return;
    if (this.#unsound.has(table) || this.damages.length > told) return;
    this.#unsound.add(table);
    this.#tell("a table that has not the rows that it must have", { table, rowsExpected, rows });
  }

  *#bothWays(table: string, columns: string, order: string): Generator<Columns, void, undefined> {
    const down = order
      .split(", ")
      .map((column) => `${column} DESC`)
      .join(", ");
    const hint = order === "rowid" ? "NOT INDEXED" : "";
    const select = `SELECT ${columns} FROM ${table} ${hint} ORDER BY`;
    if (yield* this.#rowsOf(table, `${select} ${order}`)) return;
    yield* this.#rowsOf(table, `${select} ${down}`);
  }

  /** @returns whether all could be read. */
  *#rowsOf(table: string, sql: string): Generator<Columns, boolean, undefined> {
    const rows = this.#attempt(table, () => this.#database.prepare(sql).iterate());
    for (;;) {
      const next = this.#attempt(table, () => rows?.next());
      if (next === undefined) return false;
      if (next.done === true) return true;
      yield next.value;
    }
  }

  #isIndexed(look: () => Columns | undefined, crc: unknown): boolean {
    try {
      return look()?.["crc"] === crc;
    } catch {
      return true;
    }
  }

  /** @returns undefined where it fails, which is told. */
  #attempt<Result>(where: string, run: () => Result): Result | undefined {
    try {
      return run();
    } catch (error) {
      if (!isStoreFault(error) && !(error instanceof ColloquyError)) throw error;
      this.#tell("what cannot be read", { where, error: (error as Error).message });
      return undefined;
    }
  }

  #tell(what: string, details: ErrorDetails): void {
    this.damages.push({ what, details });
  }
}

/** Without a log there is nothing to share with anybody: not even files beside the database are made. */
function openToLook({ database: file, log }: StoreFiles): DatabaseSync {
  const url = pathToFileURL(file);
  if (bytesOf(log) === 0) url.searchParams.set("immutable", "1");
  const database = new DatabaseSync(url, { readOnly: true });
  // A file that is shorter than its header says is read as far as it goes.
  database.exec(
    "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA writable_schema = ON",
  );
  return database;
}

function requireOurs(database: DatabaseSync, file: string): void {
  if (pragma(database, "application_id") !== applicationId) throw storeError("foreign", { file });
  const found = pragma(database, "user_version") as number;
  if (found === formatVersion) return;
  const message = `the store is of format ${found}, this program reads format ${formatVersion}`;
  throw new ColloquyError("INVALID_VERSION", message, {
    details: { file, found, supported: formatVersion },
  });
}

function isKeyPart(part: unknown): part is number {
  return Number.isSafeInteger(part) && (part as number) >= 0;
}
