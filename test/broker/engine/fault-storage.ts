/** A storage whose commits fail as they are told to, over one in memory that survives the engine. */
import type { DurabilityClaim } from "../../../src/broker/broker.ts";
import type { MemoryStorage } from "../../../src/broker/engine/memory-storage.ts";
import type {
  NamedRow,
  NamedTable,
  NumberedRow,
  NumberedTable,
  ScanLimits,
  Storage,
  Write,
} from "../../../src/broker/engine/storage.ts";
import { ColloquyError } from "../../../src/errors.ts";

/**
 * refuse      nothing is written, and the storage goes on (disk full)
 * lose        nothing is written, and nobody is told (a crash before the commit)
 * lose-after  the group is written, and nobody is told (a crash before the acknowledgement)
 */
export type Fault = "refuse" | "lose" | "lose-after";

export class FaultStorage implements Storage {
  readonly durability: DurabilityClaim;
  readonly epoch: number;
  readonly unclean: boolean;
  readonly checkpointDue = false;
  readonly shortage = undefined;
  /** Groups that were written, each as its writes. */
  readonly commits: (readonly Write[])[] = [];
  /** Of the next commit. */
  fault: Fault | undefined;
  /** Called before a group is written. */
  onCommit: (() => void) | undefined;
  readonly #inner: MemoryStorage;
  #lost = false;

  constructor(inner: MemoryStorage) {
    this.#inner = inner;
    this.durability = inner.durability;
    this.epoch = inner.epoch;
    this.unclean = inner.unclean;
  }

  /** From now on it takes nothing any more: what an engine that is over does has no effect. */
  lose(): void {
    this.#lost = true;
  }

  commit(writes: readonly Write[]): void {
    if (this.#lost) throw new ColloquyError("INDETERMINATE", "the storage is lost");
    this.onCommit?.();
    const { fault } = this;
    this.fault = undefined;
    if (fault === "refuse") throw new ColloquyError("STORE_FAILED", "the disk is full");
    if (fault !== "lose") {
      this.#inner.commit(writes);
      this.commits.push(writes);
    }
    if (fault === undefined) return;
    this.#lost = true;
    throw new ColloquyError("INDETERMINATE", "the storage is lost");
  }

  read(table: NumberedTable, a: number, b: number): Uint8Array | undefined {
    return this.#inner.read(table, a, b);
  }

  scan(
    table: NumberedTable,
    a: number,
    b: number,
    lastA: number,
    limits: ScanLimits,
  ): readonly NumberedRow[] {
    return this.#inner.scan(table, a, b, lastA, limits);
  }

  floor(table: NumberedTable, a: number, b: number): NumberedRow | undefined {
    return this.#inner.floor(table, a, b);
  }

  readNamed(table: NamedTable, name: string): Uint8Array | undefined {
    return this.#inner.readNamed(table, name);
  }

  scanNamed(
    table: NamedTable,
    prefix: string,
    after: string,
    limits: ScanLimits,
  ): readonly NamedRow[] {
    return this.#inner.scanNamed(table, prefix, after, limits);
  }

  checkpoint(): void {}

  close(): void {
    if (!this.#lost) this.#inner.close();
  }
}
