/**
 * The state record: one row that every commit rewrites in the same transaction. It says how many rows
 * each table must have and what their keys and checksums add up to, so that missing, added or changed
 * rows are found at the next opening.
 *
 *   state = epoch sequence open tally*      every field a whole number, as f64, big-endian
 *   tally = rows sum                        one for each table, in order of its number
 *
 * Sums do not depend on the order of rows, so that adding and removing a row is one addition.
 */
import { crc32 } from "node:zlib";
import { tableCount } from "./schema.ts";

const epochField = 0;
const sequenceField = 1;
const openField = 2;
const tallyField = 3;
const fieldCount = tallyField + 2 * tableCount;

/** Sums are taken modulo this, so that sums of sums stay exact in a number. */
export const sumModulus: number = 2 ** 48;

/** Folds the parts of a key: prime, so that one changed bit always changes the remainder. */
export const keyModulus: number = 2 ** 31 - 1;

/** What a row adds to the sum of its table. `verify.ts` says the same in SQL. */
export function weightOfNumbered(a: number, b: number, checksum: number): number {
  return (a % keyModulus) * 3 + (b % keyModulus) * 5 + checksum;
}

export function weightOfNamed(name: Uint8Array, checksum: number): number {
  return (name.length === 0 ? 0 : crc32(name)) * 3 + checksum;
}

export interface Tally {
  readonly rows: number;
  readonly sum: number;
}

export class StoreState {
  readonly #fields: Float64Array = new Float64Array(fieldCount);
  readonly #saved: Float64Array = new Float64Array(fieldCount);
  readonly #record: Buffer = Buffer.alloc(8 * fieldCount);

  /** @returns undefined when this is not such a record. */
  static decode(record: Uint8Array): StoreState | undefined {
    if (record.length !== 8 * fieldCount) return undefined;
    const state = new StoreState();
    const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
    for (let at = 0; at < fieldCount; at++) state.#fields[at] = bytes.readDoubleBE(8 * at);
    state.save();
    return state;
  }

  /** The record; the next call overwrites it. */
  encode(): Uint8Array {
    for (let at = 0; at < fieldCount; at++) this.#record.writeDoubleBE(this.#get(at), 8 * at);
    return this.#record;
  }

  get epoch(): number {
    return this.#get(epochField);
  }

  set epoch(epoch: number) {
    this.#fields[epochField] = epoch;
  }

  /** Counts the commits in the whole life of the store. */
  get sequence(): number {
    return this.#get(sequenceField);
  }

  set sequence(sequence: number) {
    this.#fields[sequenceField] = sequence;
  }

  /** True while an owner has the store, and ever after if that owner did not close it. */
  get open(): boolean {
    return this.#get(openField) === 1;
  }

  set open(open: boolean) {
    this.#fields[openField] = open ? 1 : 0;
  }

  tally(table: number): Tally {
    const at = tallyField + 2 * table;
    return { rows: this.#get(at), sum: this.#get(at + 1) };
  }

  add(table: number, weight: number): void {
    const at = tallyField + 2 * table;
    this.#fields[at] = this.#get(at) + 1;
    this.#fields[at + 1] = (this.#get(at + 1) + weight) % sumModulus;
  }

  remove(table: number, weight: number): void {
    const at = tallyField + 2 * table;
    this.#fields[at] = this.#get(at) - 1;
    this.#fields[at + 1] = (this.#get(at + 1) - weight + sumModulus) % sumModulus;
  }

  /** Makes what is there now what `restore` goes back to. */
  save(): void {
    this.#saved.set(this.#fields);
  }

  restore(): void {
    this.#fields.set(this.#saved);
  }

  #get(at: number): number {
    return this.#fields[at] as number;
  }
}
