/**
 * Messages that may take down the process that holds the queue. That a message was offered is volatile,
 * so nobody knows after such an end what was in whose hands. Therefore, after an unclean end, the first
 * messages of each queue that were there before are written down before they are offered. What was
 * written down and is claimed by nobody when the process has died once more is what it died with: its
 * death counts, and the one before as well, if none has been counted. So the third is the last.
 *
 * Rows of `meta`, named "hands/" and the number of the queue:
 *
 *   row = epoch u53, position u53 *      believed in the opening that follows this epoch only
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { Group, Participant } from "./group.ts";
import type { Storage, Write } from "./storage.ts";

const prefix = "hands/";
const writer = new ByteWriter();

export function suspectsRow(queueNumber: number): string {
  return prefix + queueNumber;
}

/** What one queue's receivers have been offered of what was there at the opening. */
export class Suspects implements Participant {
  readonly #epoch: number;
  /** How many more messages are written down. */
  #left: number;
  readonly #positions = new Set<number>();
  #queueNumber = 0;
  #before: readonly number[] | undefined;

  constructor(epoch: number, left: number) {
    this.#epoch = epoch;
    this.#left = left;
  }

  get none(): boolean {
    return this.#left === 0 && this.#positions.size === 0;
  }

  /** Whether another message is written down before it is offered. */
  get watching(): boolean {
    return this.#left > 0;
  }

  has(position: number): boolean {
    return this.#positions.has(position);
  }

  add(group: Group, queueNumber: number, position: number): void {
    this.#join(group, queueNumber);
    this.#left = Math.max(0, this.#left - 1);
    this.#positions.add(position);
  }

  /** In nobody's hands any more. One that is final needs no row. */
  delete(group: Group, queueNumber: number, position: number): void {
    this.#join(group, queueNumber);
    this.#positions.delete(position);
  }

  seal(writes: Write[]): void {
    writer.uint53(this.#epoch);
    for (const position of this.#positions) writer.uint53(position);
    writes.push({ table: "meta", name: suspectsRow(this.#queueNumber), value: writer.take() });
  }

  committed(): void {
    this.#before = undefined;
  }

  reverted(): void {
    this.#positions.clear();
    for (const position of this.#before ?? []) this.#positions.add(position);
    this.#before = undefined;
  }

  #join(group: Group, queueNumber: number): void {
    if (this.#before !== undefined) return;
    this.#before = [...this.#positions];
    this.#queueNumber = queueNumber;
    group.join(this);
  }
}

/** Positions that were in somebody's hands when the process before this one died; by queue number. */
export function accusedIn(storage: Storage): ReadonlyMap<number, readonly number[]> {
  const accused = new Map<number, readonly number[]>();
  if (!storage.unclean) return accused;
  for (const { name, value } of storage.scanNamed("meta", prefix, "", { rows: 1_000_000 })) {
    const reader = new ByteReader(value);
    if (reader.uint53("epoch") !== storage.epoch - 1) continue;
    const positions: number[] = [];
    while (reader.left > 0) positions.push(reader.uint53("position"));
    if (positions.length > 0) accused.set(Number(name.slice(prefix.length)), positions);
  }
  return accused;
}
