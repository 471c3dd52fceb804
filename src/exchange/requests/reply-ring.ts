/**
 * The latest replies this process sent to others, so that one lost with a dying hub can be sent
 * again when its requester asks. Bounded by age and bytes: an older reply is forgotten, and its
 * requester learns that the outcome is unknown.
 *
 *   bytes    . . . id frame id frame id frame . . .      one behind the other, round and round
 *   records  . . .    ^        ^        ^     . . .      numbers about each, round and round
 *
 * There are thousands a second, and hardly one is ever asked for: none of them is an object, which the
 * garbage collector would have to carry along for as long as it is kept.
 */
import type { Clock } from "../../runtime/clock.ts";

const keptMs = 30_000;
/** Of frames and ids. Powers of two. */
const bytesMin = 2 ** 16;
const bytesMax = 2 ** 23;

/** A power of two. */
const recordsMin = 2 ** 8;

/** Numbers of a record: when it was sent, where it begins, characters of its id, bytes of its frame. */
const recordNumbers = 4;

export class ReplyRing {
  readonly #clock: Clock;
  #bytes = new Uint8Array(0);
  #records = new Float64Array(0);
  /** Records are counted from the first one ever; those from `#oldest` up to `#next` are kept. */
  #oldest = 0;
  #next = 0;
  /** When the youngest reply that is no longer here was sent. */
  #forgottenAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param id - of the request that it answers: ASCII. */
  add(id: string, frame: Uint8Array): void {
    const nowMs = this.#clock.monotonicMs();
    while (this.#size > 0 && this.#number(this.#oldest, 0) + keptMs <= nowMs) this.#forgetOldest();
    const start = this.#room(id.length + frame.length);
    for (let index = 0; index < id.length; index++) {
      this.#bytes[start + index] = id.charCodeAt(index);
    }
    this.#bytes.set(frame, start + id.length);
    this.#record(nowMs, start, id.length, frame.length);
  }

  /** A copy of the frame. Looks through all: asked only after a reconnect. */
  find(id: string): Uint8Array | undefined {
    for (let record = this.#oldest; record < this.#next; record++) {
      const start = this.#number(record, 1);
      const frame = start + id.length;
      if (this.#number(record, 2) !== id.length || !this.#isAt(start, id)) continue;
      return this.#bytes.slice(frame, frame + this.#number(record, 3));
    }
    return undefined;
  }

  /** Milliseconds back to which no reply is missing. */
  completeForMs(): number {
    return this.#clock.monotonicMs() - this.#forgottenAtMs;
  }

  get #size(): number {
    return this.#next - this.#oldest;
  }

  #forgetOldest(): void {
    this.#forgottenAtMs = this.#number(this.#oldest, 0);
    this.#oldest++;
  }

  /** @returns where `count` bytes may be written: those who stand in the way are forgotten. */
  #room(count: number): number {
    for (;;) {
      const { length } = this.#bytes;
      const begin = this.#size === 0 ? 0 : this.#number(this.#oldest, 1);
      const end = this.#size === 0 ? 0 : this.#endOf(this.#next - 1);
      if (this.#size === 0 || end > begin) {
        if (end + count <= length) return end;
        if (count <= begin) return 0;
      } else if (end + count <= begin) return end;
      if (length < bytesMax) this.#grow();
      else this.#forgetOldest();
    }
  }

  /** Twice the bytes, with what is kept at their begin. */
  #grow(): void {
    const before = this.#bytes;
    const grown = new Uint8Array(Math.max(bytesMin, 2 * before.length));
    let at = 0;
    for (let record = this.#oldest; record < this.#next; record++) {
      const start = this.#number(record, 1);
      const end = this.#endOf(record);
      grown.set(before.subarray(start, end), at);
      this.#records[this.#slot(record) + 1] = at;
      at += end - start;
    }
    this.#bytes = grown;
  }

  #record(sentAtMs: number, start: number, idLength: number, frameLength: number): void {
    if (recordNumbers * (this.#size + 1) > this.#records.length) this.#growRecords();
    const slot = this.#slot(this.#next++);
    this.#records[slot] = sentAtMs;
    this.#records[slot + 1] = start;
    this.#records[slot + 2] = idLength;
    this.#records[slot + 3] = frameLength;
  }

  #growRecords(): void {
    const before = this.#records;
    const grown = new Float64Array(Math.max(recordNumbers * recordsMin, 2 * before.length));
    for (let record = this.#oldest; record < this.#next; record++) {
      const slot = this.#slot(record);
      const moved = (recordNumbers * record) & (grown.length - 1);
      grown.set(before.subarray(slot, slot + recordNumbers), moved);
    }
    this.#records = grown;
  }

  #slot(record: number): number {
    return (recordNumbers * record) & (this.#records.length - 1);
  }

  #number(record: number, which: number): number {
    return this.#records[this.#slot(record) + which] as number;
  }

  #endOf(record: number): number {
    return this.#number(record, 1) + this.#number(record, 2) + this.#number(record, 3);
  }

  #isAt(start: number, id: string): boolean {
    for (let index = 0; index < id.length; index++) {
      if (this.#bytes[start + index] !== id.charCodeAt(index)) return false;
    }
    return true;
  }
}
