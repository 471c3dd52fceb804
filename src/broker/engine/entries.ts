/**
 * Keyed entries: durable ones as rows, volatile ones in memory; a key has one of the two.
 *
 *   row = revision u53, expiresAtMs u53 (0 for never), serial of its timer u53, value
 */

import { ColloquyError, type ErrorInfo, errorInfo } from "../../errors.ts";
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import { sameBytes } from "../../runtime/same-bytes.ts";
import type { StoreChange, StoreEntry, StoreWrite } from "../broker.ts";
import type { Counters } from "./counters.ts";
import type { Group, Participant } from "./group.ts";
import { compareNames } from "./names.ts";
import { SortedRows } from "./sorted-rows.ts";
import type { Storage, Write } from "./storage.ts";
import type { Timers } from "./timers.ts";

export interface EntriesOptions {
  readonly storage: Storage;
  readonly counters: Counters;
  readonly timers: Timers;
  readonly valueBytesMax: number;
  /** Sees what a group changed, after it was committed. */
  readonly onChange: (changes: readonly StoreChange[]) => void;
  /** Asked to end a volatile entry at its time. */
  readonly onVolatile: (key: string, revision: number, expiresAtMs: number) => void;
}

export interface EntryList {
  readonly entries: readonly StoreEntry[];
  readonly last: string | undefined;
}

interface Held extends StoreEntry {
  /** Wall clock; 0 for never. */
  readonly expiresAtMs: number;
  /** Of the timer row of a durable entry; 0 when there is none. */
  readonly serial: number;
  readonly volatile: boolean;
}

/** What the present group makes of a key; undefined: deleted. */
interface Pending {
  readonly entry: Held | undefined;
  /** A row lay under the key before the group. */
  readonly stored: boolean;
}

const keyCharactersMax = 1_024;
const headBytes = 24;
const writer = new ByteWriter();

export class Entries implements Participant {
  readonly #options: EntriesOptions;
  readonly #volatile = new SortedRows<Held>((a, b) => compareNames(a.key, b.key));
  #pending = new Map<string, Pending>();
  #changes: StoreChange[] = [];
  #volatileBytes = 0;

  constructor(options: EntriesOptions) {
    this.#options = options;
  }

  get(key: string, nowMs: number): StoreEntry | undefined {
    const entry = this.#committed(key);
    return entry === undefined || isOver(entry, nowMs) ? undefined : publicEntry(entry);
  }

  /** Of the entries that are kept in memory alone: keys and values. */
  get volatileBytes(): number {
    return this.#volatileBytes;
  }

  /** What the write adds to them. */
  volatileGrowth({ key, value, volatile }: StoreWrite): number {
    if (value === undefined || volatile !== true) return 0;
    return key.length + value.length - bytesOf(this.#volatile.get(probe(key)));
  }

  /** Whether a volatile entry still is as a write with this revision has left it. */
  isVolatile(key: string, revision: number): boolean {
    return this.#volatile.get(probe(key))?.revision === revision;
  }

  /** As the present group sees it; 0 when there is no entry. */
  revisionOf(key: string, nowMs: number): number {
    const entry = this.#present(key);
    return entry === undefined || isOver(entry, nowMs) ? 0 : entry.revision;
  }

  /** What is wrong with the write itself, whatever is there. */
  problemOf({ key, value, ttlMs }: StoreWrite): ErrorInfo | undefined {
    const { valueBytesMax } = this.#options;
    if (key.length === 0 || key.length > keyCharactersMax) {
      const message = `key: ${key.length} characters, not 1 to ${keyCharactersMax}`;
      return errorInfo(new ColloquyError("INVALID_OPTION", message, { details: { field: "key" } }));
    }
    if (ttlMs !== undefined && !(ttlMs > 0)) {
      const message = `ttlMs: ${ttlMs}`;
      return errorInfo(
        new ColloquyError("INVALID_OPTION", message, { details: { field: "ttlMs" } }),
      );
    }
    if (value === undefined || value.length <= valueBytesMax) return undefined;
    const message = `value: ${value.length} bytes, more than ${valueBytesMax}`;
    const details = { field: "value", limit: valueBytesMax, unit: "bytes", size: value.length };
    return errorInfo(new ColloquyError("MESSAGE_TOO_LARGE", message, { details }));
  }

  /** @returns the revision of the write. */
  write(group: Group, write: StoreWrite): number {
    const { counters, timers } = this.#options;
    const { key, value, ttlMs, volatile = false } = write;
    const before = this.#present(key);
    const revision = counters.add(group, "revision");
    if (before !== undefined && before.serial !== 0) {
      timers.remove(group, { dueMs: before.expiresAtMs, serial: before.serial });
    }
    if (value === undefined) {
      this.#set(group, key, undefined);
      if (before !== undefined) this.#changes.push({ kind: "delete", key });
      return revision;
    }
    const expiresAtMs = ttlMs === undefined ? 0 : Math.ceil(group.nowMs + ttlMs);
    let serial = 0;
    if (expiresAtMs !== 0 && volatile) {
      group.afterwards(() => this.#options.onVolatile(key, revision, expiresAtMs));
    } else if (expiresAtMs !== 0) {
      serial = timers.set(group, expiresAtMs, { kind: "entry", key, revision }).serial;
    }
    const renewed = volatile && before !== undefined && isRenewal(before, value, group.nowMs);
    this.#set(group, key, { key, value, revision, expiresAtMs, serial, volatile });
    if (!renewed) this.#changes.push({ kind: "put", key, value, revision });
    return revision;
  }

  /** Ends the entry if it still has this revision: its time has come. */
  expire(group: Group, key: string, revision: number): void {
    const entry = this.#present(key);
    if (entry?.revision !== revision) return;
    this.#set(group, key, undefined);
    this.#changes.push({ kind: "delete", key });
  }

  /**
   * Entries after the key `after`, in order, about `count` of them. What is over is left out.
   *
   * @returns with `last`, the key to go on after; undefined at the end.
   */
  list(prefix: string, after: string, count: number, nowMs: number): EntryList {
    const { storage } = this.#options;
    const rows = storage.scanNamed("entry", prefix, after, { rows: count, bytes: 2 ** 20 });
    const found = rows.map(({ name, value }) => decode(name, value));
    const lastRow = found.at(-1)?.key;
    const volatile: Held[] = [];
    for (const entry of this.#volatile.from(probe(later(after, prefix)))) {
      if (!entry.key.startsWith(prefix) || volatile.length === count) break;
      if (entry.key !== after) volatile.push(entry);
    }
    const lastVolatile = volatile.length === count ? volatile.at(-1)?.key : undefined;
    // Each of the two may have more behind its last key; nothing is told from there on yet.
    const end = earlier(lastRow, lastVolatile);
    const merged = [...found, ...volatile]
      .filter(({ key }) => end === undefined || compareNames(key, end) <= 0)
      .sort((a, b) => compareNames(a.key, b.key));
    const entries = merged.filter((entry) => !isOver(entry, nowMs)).map(publicEntry);
    return { entries, last: merged.at(-1)?.key };
  }

  seal(writes: Write[]): void {
    for (const [name, { entry, stored }] of this.#pending) {
      if (entry !== undefined && !entry.volatile) {
        writes.push({ table: "entry", name, value: encode(entry) });
      } else if (stored) {
        writes.push({ table: "entry", name, value: undefined });
      }
    }
  }

  committed(): void {
    for (const [key, { entry }] of this.#pending) {
      const now = entry?.volatile === true ? entry : undefined;
      const before =
        now === undefined ? this.#volatile.delete(probe(key)) : this.#volatile.set(now);
      this.#volatileBytes += bytesOf(now) - bytesOf(before);
    }
    this.#pending = new Map();
  }

  reverted(): void {
    this.#pending = new Map();
    this.#changes = [];
  }

  #set(group: Group, key: string, entry: Held | undefined): void {
    if (this.#pending.size === 0 && this.#changes.length === 0) {
      group.join(this);
      group.afterwards(() => {
        const changes = this.#changes;
        this.#changes = [];
        this.#options.onChange(changes);
      });
    }
    const pending = this.#pending.get(key);
    const stored = pending?.stored ?? this.#committed(key)?.volatile === false;
    this.#pending.set(key, { entry, stored });
  }

  #present(key: string): Held | undefined {
    const pending = this.#pending.get(key);
    return pending === undefined ? this.#committed(key) : pending.entry;
  }

  #committed(key: string): Held | undefined {
    const volatile = this.#volatile.get(probe(key));
    if (volatile !== undefined) return volatile;
    const row = this.#options.storage.readNamed("entry", key);
    return row === undefined ? undefined : decode(key, row);
  }
}

const noBytes = new Uint8Array(0);

function bytesOf(entry: Held | undefined): number {
  return entry === undefined ? 0 : entry.key.length + entry.value.length;
}

function later(a: string, b: string): string {
  return compareNames(a, b) > 0 ? a : b;
}

function earlier(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareNames(a, b) < 0 ? a : b;
}

function probe(key: string): Held {
  return { key, value: noBytes, revision: 0, expiresAtMs: 0, serial: 0, volatile: true };
}

/** Watchers are not told: what renews its entry every second would keep everybody busy. */
function isRenewal(before: Held, value: Uint8Array, nowMs: number): boolean {
  return before.volatile && !isOver(before, nowMs) && sameBytes(before.value, value);
}

function isOver({ expiresAtMs }: Held, nowMs: number): boolean {
  return expiresAtMs !== 0 && expiresAtMs <= nowMs;
}

function publicEntry({ key, value, revision }: Held): StoreEntry {
  return { key, value, revision };
}

function encode({ revision, expiresAtMs, serial, value }: Held): Uint8Array {
  writer.uint53(revision);
  writer.uint53(expiresAtMs);
  writer.uint53(serial);
  writer.bytes(value);
  return writer.take();
}

function decode(key: string, row: Uint8Array): Held {
  const reader = new ByteReader(row);
  const revision = reader.uint53("revision");
  const expiresAtMs = reader.uint53("expiresAtMs");
  const serial = reader.uint53("serial");
  return { key, value: row.subarray(headBytes), revision, expiresAtMs, serial, volatile: false };
}
