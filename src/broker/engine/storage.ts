/**
 * What the engine keeps its state in: tables of bytes, written in groups that happen whole or not at
 * all. The engine owns every encoding; a storage owns atomicity, durability, checksums and the proof
 * that nothing is missing. All calls are synchronous: one thread owns engine and storage.
 */
import type { DurabilityClaim } from "../broker.ts";

/**
 * Rows of numbered tables are ordered by (a, b), whole numbers from 0 to 2^53 - 1:
 *
 *   page     a = queue number * 4 + lane   b = first position     a run of messages stored by one group
 *   settled  the same key as its page                             which of the page's messages are final
 *   later    a = due, milliseconds         b = serial             what is to happen at a time
 *            a = 2^44 + page's a           b = position           a message that came back, or is due
 *            a = 2^45 + page's a           b = position           a message that waits for its time
 *            a = 2^46 + queue number       b = position           what its handlers asked, and the answers
 *   dead     a = 0                         b = number             a dead letter
 *   outcome  a = queue number              b = first position     outcomes kept for senders
 *            a = 2^43 + queue number       b = first position     at most once: messages about to be offered
 *            a = 2^44 + time               b = serial             which outcomes were written then
 *   marker   a = time, milliseconds        b = serial             ids seen by exactly-once sends
 *   log      a = stream number             b = first position     a run of log entries
 */
export type NumberedTable = "page" | "settled" | "later" | "dead" | "outcome" | "marker" | "log";

/** Rows of named tables are ordered by the UTF-8 bytes of their name. */
export type NamedTable = "meta" | "queue" | "stream" | "producer" | "entry";

export type Write =
  | {
      readonly table: NumberedTable;
      readonly a: number;
      readonly b: number;
      readonly value: Uint8Array | undefined;
    }
  | { readonly table: NamedTable; readonly name: string; readonly value: Uint8Array | undefined };

export interface NumberedRow {
  readonly a: number;
  readonly b: number;
  readonly value: Uint8Array;
}

export interface NamedRow {
  readonly name: string;
  readonly value: Uint8Array;
}

export interface ScanLimits {
  readonly rows: number;
  /** Ends after the row with which this many bytes of values were read. */
  readonly bytes?: number;
}

/** What is left is kept for work that is there: QUEUE_FULL for whoever brings more, with these details. */
export interface StorageShortage {
  /** What is reached: an option of the storage, bytes. */
  readonly limit: string;
  readonly value: number;
  /** Bytes that are left. */
  readonly free: number;
}

export interface Storage {
  readonly durability: DurabilityClaim;
  /** Raised durably by one each time the storage is opened for writing; 1 or more. */
  readonly epoch: number;
  /** True when the last owner ended without closing. */
  readonly unclean: boolean;
  /**
   * Writes the group whole, as safe as `durability` says; an undefined value deletes the row.
   *
   * @throws STORE_FAILED: nothing of the group was written (disk full), and the storage goes on.
   * @throws INDETERMINATE: the group may or may not come back after reopening; every later call fails,
   *   commits in this way, too.
   */
  commit(writes: readonly Write[]): void;
  /** @throws STORE_FAILED naming table and row when the row's checksum does not match. */
  read(table: NumberedTable, a: number, b: number): Uint8Array | undefined;
  /** Rows from (a, b) on, inclusive, while a is at most `lastA`. */
  scan(
    table: NumberedTable,
    a: number,
    b: number,
    lastA: number,
    limits: ScanLimits,
  ): readonly NumberedRow[];
  /** The row with the greatest key at or below (a, b), with the same `a`. */
  floor(table: NumberedTable, a: number, b: number): NumberedRow | undefined;
  readNamed(table: NamedTable, name: string): Uint8Array | undefined;
  /** Rows whose name begins with `prefix` and sorts after `after`. */
  scanNamed(
    table: NamedTable,
    prefix: string,
    after: string,
    limits: ScanLimits,
  ): readonly NamedRow[];
  /** Moves what has been committed to its final place. Called when the engine is idle or the log is long. */
  checkpoint(): void;
  /** Set while there is little room: commits still work, and are for what makes room or ends work. */
  readonly shortage: StorageShortage | undefined;
  /** True when enough has been written for a checkpoint to be due. */
  readonly checkpointDue: boolean;
  /** Checkpoints, marks the end as clean, and releases files. Safe to repeat. */
  close(): void;
}
