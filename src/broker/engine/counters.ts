/** Numbers of the whole broker that go up with what is written, in one row. */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { Group, Participant } from "./group.ts";
import type { Storage, Write } from "./storage.ts";

/**
 *   revision    of the store: the last one given out
 *   queue       the last number given to a queue
 *   stream      the last number given to a stream
 *   dead        the last number given to a dead letter
 *   deadLetters how many there are
 *   results     bytes of outcomes that are kept
 *   positions   given out by queues that were removed: a new queue begins above
 */
export const counterNames = [
  "revision",
  "queue",
  "stream",
  "dead",
  "deadLetters",
  "results",
  "positions",
] as const;

export type CounterName = (typeof counterNames)[number];

const rowName = "counters";
const writer = new ByteWriter();

export class Counters implements Participant {
  readonly #values: Record<CounterName, number> = {
    revision: 0,
    queue: 0,
    stream: 0,
    dead: 0,
    deadLetters: 0,
    results: 0,
    positions: 0,
  };
  #before: Record<CounterName, number> | undefined;

  constructor(storage: Storage) {
    const row = storage.readNamed("meta", rowName);
    if (row === undefined) return;
    const reader = new ByteReader(row);
    for (const name of counterNames) this.#values[name] = reader.uint53(name);
  }

  get(name: CounterName): number {
    return this.#values[name];
  }

  /** @returns the new value. */
  add(group: Group, name: CounterName, amount = 1): number {
    if (this.#before === undefined) {
      this.#before = { ...this.#values };
      group.join(this);
    }
    this.#values[name] += amount;
    return this.#values[name];
  }

  seal(writes: Write[]): void {
    for (const name of counterNames) writer.uint53(this.#values[name]);
    writes.push({ table: "meta", name: rowName, value: writer.take() });
  }

  committed(): void {
    this.#before = undefined;
  }

  reverted(): void {
    if (this.#before !== undefined) Object.assign(this.#values, this.#before);
    this.#before = undefined;
  }
}
