/**
 * Numbers that count up within the broker, also across restarts, and are never used twice: fences of
 * attempts, and what tells rows of the same time apart.
 *
 *   number = epoch * 2^30 + counter
 *
 * An epoch that hands out more than 2^30 of them goes on above, and says so durably beforehand.
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { Group, GroupCommit, Operation, Participant } from "./group.ts";
import type { Storage, Write } from "./storage.ts";

const epochNumbers = 2 ** 30;
/** So early the next range is reserved. */
const reserveAhead = 2 ** 29;
const rowName = "serials";
const writer = new ByteWriter();

export class Serials {
  /** Numbers below were handed out before this opening of the storage. */
  readonly base: number;
  #last: number;
  #reserved: number;
  #reserving = false;

  constructor(storage: Storage) {
    const row = storage.readNamed("meta", rowName);
    const reserved = row === undefined ? 0 : new ByteReader(row).uint53(rowName);
    this.base = Math.max(storage.epoch * epochNumbers, reserved);
    this.#last = this.base;
    this.#reserved = this.base + epochNumbers;
  }

  next(): number {
    return ++this.#last;
  }

  /** Called from time to time, long before the range is used up. */
  reserve(groups: GroupCommit): void {
    if (this.#reserving || this.#last < this.#reserved - reserveAhead) return;
    this.#reserving = true;
    groups.stage(
      new Reservation(this.#reserved + epochNumbers, (reserved) => {
        this.#reserving = false;
        if (reserved !== undefined) this.#reserved = reserved;
      }),
    );
  }
}

class Reservation implements Operation, Participant {
  readonly messages = 1;
  readonly bytes = 0;
  readonly #upTo: number;
  readonly #ended: (reserved: number | undefined) => void;

  constructor(upTo: number, ended: (reserved: number | undefined) => void) {
    this.#upTo = upTo;
    this.#ended = ended;
  }

  decide(group: Group): void {
    group.join(this);
  }

  seal(writes: Write[]): void {
    writer.uint53(this.#upTo);
    writes.push({ table: "meta", name: rowName, value: writer.take() });
  }

  committed(): void {
    this.#ended(this.#upTo);
  }

  reverted(): void {}

  failed(): void {
    this.#ended(undefined);
  }
}
