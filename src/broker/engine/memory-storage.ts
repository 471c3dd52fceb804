/**
 * A storage in memory: sorted tables, gone with the process. It outlives the engine over it, so that
 * a test can end an engine between any two groups and open another over what was committed.
 */
import { ColloquyError } from "../../errors.ts";
import type { DurabilityClaim } from "../broker.ts";
import { compareNames } from "./names.ts";
import { SortedRows } from "./sorted-rows.ts";
import type {
  NamedRow,
  NamedTable,
  NumberedRow,
  NumberedTable,
  ScanLimits,
  Storage,
  Write,
} from "./storage.ts";

export interface MemoryStorageOptions {
  /** Bytes of values and names, with `rowBytes` for each row. Default: 1 GiB. */
  readonly bytesMax?: number;
}

/** What a row takes beside its value: objects, key, its place in a chunk. */
const rowBytes = 96;
const noBytes = new Uint8Array(0);

export class MemoryStorage implements Storage {
  readonly durability: DurabilityClaim = {
    level: "none",
    verified: true,
    evidence: { storage: "memory" },
  };
  readonly checkpointDue = false;
  readonly shortage = undefined;
  readonly #bytesMax: number;
  readonly #numbered = new Map<NumberedTable, SortedRows<NumberedRow>>();
  readonly #named = new Map<NamedTable, SortedRows<NamedRow>>();
  #epoch = 0;
  #unclean = false;
  #open = false;
  #bytes = 0;

  constructor(options: MemoryStorageOptions = {}) {
    const { bytesMax = 2 ** 30 } = options;
    if (!(bytesMax > 0)) throw new ColloquyError("INVALID_OPTION", `bytesMax: ${bytesMax}`);
    this.#bytesMax = bytesMax;
    this.reopen();
  }

  get epoch(): number {
    return this.#epoch;
  }

  get unclean(): boolean {
    return this.#unclean;
  }

  /** Bytes held, counted as `bytesMax` counts them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins the next epoch, as opening the files of a storage on disk does. */
  reopen(): void {
    this.#epoch++;
    this.#unclean = this.#open;
    this.#open = true;
  }

  commit(writes: readonly Write[]): void {
    if (this.#bytes + bytesOf(writes) > this.#bytesMax) this.#refuseGrowth(writes);
    for (const write of writes) {
      if ("name" in write) this.#writeNamed(write.table, write.name, write.value);
      else this.#writeNumbered(write.table, write.a, write.b, write.value);
    }
  }

  read(table: NumberedTable, a: number, b: number): Uint8Array | undefined {
    return this.#numbered.get(table)?.get({ a, b, value: noBytes })?.value;
  }

  scan(
    table: NumberedTable,
    a: number,
    b: number,
    lastA: number,
    limits: ScanLimits,
  ): readonly NumberedRow[] {
    const found: NumberedRow[] = [];
    let bytes = 0;
    for (const row of this.#numbered.get(table)?.from({ a, b, value: noBytes }) ?? []) {
      if (row.a > lastA || found.length >= limits.rows) break;
      found.push(row);
      bytes += row.value.length;
      if (limits.bytes !== undefined && bytes >= limits.bytes) break;
    }
    return found;
  }

  floor(table: NumberedTable, a: number, b: number): NumberedRow | undefined {
    const row = this.#numbered.get(table)?.floor({ a, b, value: noBytes });
    return row?.a === a ? row : undefined;
  }

  readNamed(table: NamedTable, name: string): Uint8Array | undefined {
    return this.#named.get(table)?.get({ name, value: noBytes })?.value;
  }

  scanNamed(
    table: NamedTable,
    prefix: string,
    after: string,
    limits: ScanLimits,
  ): readonly NamedRow[] {
    const found: NamedRow[] = [];
    let bytes = 0;
    const start = compareNames(after, prefix) > 0 ? after : prefix;
    for (const row of this.#named.get(table)?.from({ name: start, value: noBytes }) ?? []) {
      if (!row.name.startsWith(prefix) || found.length >= limits.rows) break;
      if (row.name === after) continue;
      found.push(row);
      bytes += row.value.length;
      if (limits.bytes !== undefined && bytes >= limits.bytes) break;
    }
    return found;
  }

  checkpoint(): void {}

  close(): void {
    this.#open = false;
  }

  #writeNumbered(table: NumberedTable, a: number, b: number, value: Uint8Array | undefined): void {
    let rows = this.#numbered.get(table);
    if (rows === undefined) {
      rows = new SortedRows(compareNumbered);
      this.#numbered.set(table, rows);
    }
    const row = { a, b, value: value === undefined ? noBytes : ownBytes(value) };
    const before = value === undefined ? rows.delete(row) : rows.set(row);
    if (before !== undefined) this.#bytes -= rowBytes + before.value.length;
    if (value !== undefined) this.#bytes += rowBytes + value.length;
  }

  #writeNamed(table: NamedTable, name: string, value: Uint8Array | undefined): void {
    let rows = this.#named.get(table);
    if (rows === undefined) {
      rows = new SortedRows(compareNamed);
      this.#named.set(table, rows);
    }
    const row = { name, value: value === undefined ? noBytes : ownBytes(value) };
    const before = value === undefined ? rows.delete(row) : rows.set(row);
    const bytes = rowBytes + 2 * name.length;
    if (before !== undefined) this.#bytes -= bytes + before.value.length;
    if (value !== undefined) this.#bytes += bytes + value.length;
  }

  /** What shrinks the storage is always taken, so that a full one can be emptied. */
  #refuseGrowth(writes: readonly Write[]): void {
    let growth = 0;
    for (const write of writes) {
      const before =
        "name" in write
          ? this.readNamed(write.table, write.name)
          : this.read(write.table, write.a, write.b);
      growth += (write.value?.length ?? -rowBytes) - (before?.length ?? -rowBytes);
    }
    if (growth <= 0 || this.#bytes + growth <= this.#bytesMax) return;
    throw new ColloquyError("STORE_FAILED", `memory is full: bytesMax ${this.#bytesMax}`, {
      details: { limit: "bytesMax", value: this.#bytesMax },
    });
  }
}

/** At most how much the writes add. */
function bytesOf(writes: readonly Write[]): number {
  let bytes = 0;
  for (const write of writes) {
    if (write.value === undefined) continue;
    bytes += rowBytes + write.value.length;
    if ("name" in write) bytes += 2 * write.name.length;
  }
  return bytes;
}

/** A short view would keep all of a large buffer alive. */
function ownBytes(value: Uint8Array): Uint8Array {
  return value.buffer.byteLength > 2 * value.length ? value.slice() : value;
}

function compareNumbered(x: NumberedRow, y: NumberedRow): number {
  return x.a - y.a || x.b - y.b;
}

function compareNamed(x: NamedRow, y: NamedRow): number {
  return compareNames(x.name, y.name);
}
