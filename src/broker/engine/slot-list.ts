/** Slots in order of position, at most one for each. */
import type { Slot } from "./slot.ts";

export class SlotList implements Iterable<Slot> {
  readonly #slots: Slot[] = [];

  get size(): number {
    return this.#slots.length;
  }

  get last(): Slot | undefined {
    return this.#slots.at(-1);
  }

  /** Whether the message at `position` is listed and still waits. */
  waits(position: number): boolean {
    const slot = this.#slots[this.#indexOf(position)];
    return slot?.position === position && slot.state === "waiting";
  }

  /** Takes the place of one that does not wait any more. */
  add(slot: Slot): void {
    const slots = this.#slots;
    const at = this.#indexOf(slot.position);
    slots.splice(at, slots[at]?.position === slot.position ? 1 : 0, slot);
  }

  shift(): Slot | undefined {
    return this.#slots.shift();
  }

  [Symbol.iterator](): Iterator<Slot> {
    return this.#slots[Symbol.iterator]();
  }

  /** The first index whose position is not below. */
  #indexOf(position: number): number {
    const slots = this.#slots;
    let low = 0;
    let high = slots.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((slots[middle] as Slot).position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
