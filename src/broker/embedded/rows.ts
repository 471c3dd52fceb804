/** The rows of one table: every row is checked when it is read and counted when it is written. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import type {
  NamedRow,
  NamedTable,
  NumberedRow,
  NumberedTable,
  ScanLimits,
} from "../engine/storage.ts";
import type { RowChecksum } from "./checksum.ts";
import { storeError } from "./failure.ts";
import { type StoreState, weightOfNamed, weightOfNumbered } from "./state.ts";

/** A row as SQLite hands it out: the columns that the statement names. */
interface StoredRow {
  readonly a: number;
  readonly b: number;
  readonly name: Uint8Array;
  readonly crc: number;
  readonly value: Uint8Array;
}

export interface RowsContext {
  readonly database: DatabaseSync;
  readonly checksum: RowChecksum;
  readonly state: StoreState;
}

export class NumberedRows {
  readonly #table: NumberedTable;
  readonly #number: number;
  readonly #checksum: RowChecksum;
  readonly #state: StoreState;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #checksumAt: StatementSync;
  readonly #at: StatementSync;
  readonly #from: StatementSync;
  readonly #floor: StatementSync;

  constructor(table: NumberedTable, number: number, context: RowsContext) {
    const { database, checksum, state } = context;
    this.#table = table;
    this.#number = number;
    this.#checksum = checksum;
    this.#state = state;
    const here = "a = ?1 AND b = ?2";
    this.#insert = database.prepare(
      `INSERT INTO ${table} (a, b, crc, value) VALUES (?1, ?2, ?3, ?4)`,
    );
    this.#update = database.prepare(
      `UPDATE OR ROLLBACK ${table} SET crc = ?3, value = ?4 WHERE ${here}`,
    );
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE ${here}`);
    this.#checksumAt = database.prepare(`SELECT crc FROM ${table} WHERE ${here}`);
    this.#at = database.prepare(`SELECT a, b, crc, value FROM ${table} WHERE ${here}`);
    this.#from = database.prepare(
      `SELECT a, b, crc, value FROM ${table} WHERE (a, b) >= (?1, ?2) AND a <= ?3
       ORDER BY a, b LIMIT ?4`,
    );
    this.#floor = database.prepare(
      `SELECT a, b, crc, value FROM ${table} WHERE a = ?1 AND b <= ?2 ORDER BY b DESC LIMIT 1`,
    );
  }

  put(a: number, b: number, value: Uint8Array): void {
    if (!isKeyPart(a) || !isKeyPart(b)) {
      throw new ColloquyError("INTERNAL_ERROR", `no key of a row: (${a}, ${b})`);
    }
    const crc = this.#checksum.ofNumbered(this.#number, a, b, value);
    const before = this.#checksumAt.get(a, b) as unknown as StoredRow | undefined;
    if (before === undefined) {
      this.#insert.run(a, b, crc, value);
    } else {
      this.#update.run(a, b, crc, value);
      this.#state.remove(this.#number, weightOfNumbered(a, b, before.crc));
    }
    this.#state.add(this.#number, weightOfNumbered(a, b, crc));
  }

  delete(a: number, b: number): void {
    const before = this.#checksumAt.get(a, b) as unknown as StoredRow | undefined;
    if (before === undefined) return;
    this.#delete.run(a, b);
    this.#state.remove(this.#number, weightOfNumbered(a, b, before.crc));
  }

  read(a: number, b: number): Uint8Array | undefined {
    return this.#checked(this.#at.get(a, b))?.value;
  }

  scan(a: number, b: number, lastA: number, limits: ScanLimits): readonly NumberedRow[] {
    return collect(this.#from.iterate(a, b, lastA, limits.rows), limits, (row) =>
      this.#checked(row),
    );
  }

  floor(a: number, b: number): NumberedRow | undefined {
    return this.#checked(this.#floor.get(a, b));
  }

  #checked(found: unknown): NumberedRow | undefined {
    if (found === undefined) return undefined;
    const { a, b, crc, value } = found as StoredRow;
    const intact =
      value instanceof Uint8Array && crc === this.#checksum.ofNumbered(this.#number, a, b, value);
    if (!intact) throw storeError("damaged", { table: this.#table, a, b });
    return { a, b, value };
  }
}

function isKeyPart(part: number): boolean {
  return Number.isSafeInteger(part) && part >= 0;
}

/** Sorts after every byte of UTF-8. */
const afterText = Uint8Array.of(0xff);

export class NamedRows {
  readonly #table: NamedTable;
  readonly #number: number;
  readonly #checksum: RowChecksum;
  readonly #state: StoreState;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #checksumAt: StatementSync;
  readonly #at: StatementSync;
  readonly #within: StatementSync;

  constructor(table: NamedTable, number: number, context: RowsContext) {
    const { database, checksum, state } = context;
    this.#table = table;
    this.#number = number;
    this.#checksum = checksum;
    this.#state = state;
    this.#insert = database.prepare(`INSERT INTO ${table} (name, crc, value) VALUES (?1, ?2, ?3)`);
    this.#update = database.prepare(
      `UPDATE OR ROLLBACK ${table} SET crc = ?2, value = ?3 WHERE name = ?1`,
    );
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE name = ?1`);
    this.#checksumAt = database.prepare(`SELECT crc FROM ${table} WHERE name = ?1`);
    this.#at = database.prepare(`SELECT name, crc, value FROM ${table} WHERE name = ?1`);
    this.#within = database.prepare(
      `SELECT name, crc, value FROM ${table} WHERE name >= ?1 AND name < ?2 AND name <> ?3
       ORDER BY name LIMIT ?4`,
    );
  }

  put(text: string, value: Uint8Array): void {
    const name = Buffer.from(text);
    const crc = this.#checksum.ofNamed(this.#number, name, value);
    const before = this.#checksumAt.get(name) as unknown as StoredRow | undefined;
    if (before === undefined) {
      this.#insert.run(name, crc, value);
    } else {
      this.#update.run(name, crc, value);
      this.#state.remove(this.#number, weightOfNamed(name, before.crc));
    }
    this.#state.add(this.#number, weightOfNamed(name, crc));
  }

  delete(text: string): void {
    const name = Buffer.from(text);
    const before = this.#checksumAt.get(name) as unknown as StoredRow | undefined;
    if (before === undefined) return;
    this.#delete.run(name);
    this.#state.remove(this.#number, weightOfNamed(name, before.crc));
  }

  read(text: string): Uint8Array | undefined {
    return this.#checked(this.#at.get(Buffer.from(text)))?.value;
  }

  scan(prefix: string, after: string, limits: ScanLimits): readonly NamedRow[] {
    const low = Buffer.from(prefix);
    const seen = Buffer.from(after);
    const start = Buffer.compare(seen, low) > 0 ? seen : low;
    const rows = this.#within.iterate(start, Buffer.concat([low, afterText]), seen, limits.rows);
    return collect(rows, limits, (row) => this.#checked(row));
  }

  #checked(found: unknown): NamedRow | undefined {
    if (found === undefined) return undefined;
    const { name: bytes, crc, value } = found as StoredRow;
    const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
    const intact =
      value instanceof Uint8Array && crc === this.#checksum.ofNamed(this.#number, bytes, value);
    if (!intact) throw storeError("damaged", { table: this.#table, name });
    return { name, value };
  }
}

function collect<Row extends { readonly value: Uint8Array }>(
  rows: Iterable<unknown>,
  limits: ScanLimits,
  checked: (row: unknown) => Row | undefined,
): readonly Row[] {
  const { bytes: bytesMax = Number.POSITIVE_INFINITY } = limits;
  const found: Row[] = [];
  let bytes = 0;
  for (const stored of rows) {
    const row = checked(stored);
    if (row === undefined) break;
    found.push(row);
    bytes += row.value.length;
    if (bytes >= bytesMax) break;
  }
  return found;
}
