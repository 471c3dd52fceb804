/**
 * First in, first out, in one array that wraps around. What has to go back goes back to its front.
 *
 *        head         tail
 *   . . . A B C D E F . . .        length is a power of two, so that an index wraps by a mask
 *
 * Push, shift and unshift take constant time, growth included (amortised). Memory taken by a burst is given
 * back when the buffer has become empty.
 */
import { ColloquyError } from "../errors.ts";

const slotsMin = 16;
/** An empty buffer keeps an array up to this long. */
const slotsKept = 1024;

/** Of buffers that were never used; never written to. */
const noSlots: undefined[] = emptySlots();

export interface RingBufferOptions {
  /** Items held at a time, 1 or more. Default: no limit. */
  readonly itemsMax?: number;
}

export class RingBuffer<Item> implements Iterable<Item> {
  readonly #itemsMax: number;
  /** `noSlots`, which all share, until something is in it. */
  #slots: (Item | undefined)[] = noSlots;
  #head = 0;
  #size = 0;

  /** @throws INVALID_OPTION when `itemsMax` is below 1. */
  constructor(options: RingBufferOptions = {}) {
    const { itemsMax = Number.POSITIVE_INFINITY } = options;
    if (!(itemsMax >= 1)) throw new ColloquyError("INVALID_OPTION", `itemsMax: ${itemsMax}`);
    this.#itemsMax = itemsMax;
  }

  get size(): number {
    return this.#size;
  }

  get full(): boolean {
    return this.#size >= this.#itemsMax;
  }

  /** @returns false when the buffer is full, and then the item was not taken. */
  push(item: Item): boolean {
    if (this.#size >= this.#itemsMax) return false;
    this.#makeRoom();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size++;
    return true;
  }

  /** Before all others. @returns false when the buffer is full, and then the item was not taken. */
  unshift(item: Item): boolean {
    if (this.#size >= this.#itemsMax) return false;
    this.#makeRoom();
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = item;
    this.#size++;
    return true;
  }

  /** The oldest item, which stays. */
  peek(): Item | undefined {
    return this.#slots[this.#head];
  }

  /** Takes the oldest item out. */
  shift(): Item | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    if (--this.#size === 0 && this.#slots.length > slotsKept) this.#empty();
    return item;
  }

  clear(): void {
    if (this.#size > 0) this.#empty();
  }

  /** Oldest first, without taking anything out. The buffer must not change meanwhile. */
  *[Symbol.iterator](): Iterator<Item> {
    const mask = this.#slots.length - 1;
    for (let index = 0; index < this.#size; index++) {
      yield this.#slots[(this.#head + index) & mask] as Item;
    }
  }

  #makeRoom(): void {
    if (this.#slots === noSlots) this.#slots = emptySlots();
    else if (this.#size === this.#slots.length) this.#grow();
  }

  #grow(): void {
    const slots = new Array<Item | undefined>(2 * this.#slots.length).fill(undefined);
    let index = 0;
    for (const item of this) slots[index++] = item;
    this.#slots = slots;
    this.#head = 0;
  }

  #empty(): void {
    this.#slots = emptySlots();
    this.#head = 0;
    this.#size = 0;
  }
}

function emptySlots(): undefined[] {
  return new Array<undefined>(slotsMin).fill(undefined);
}
