/**
 * Things that were sent and are not answered yet, numbered one after the other. Answers come nearly in
 * order, so that the open ones lie close together.
 *
 *   numbers   ... answered | base . x . . x x . . end       . is open, x was answered out of order
 */
const slotsMin = 64;

export class Window<Item> {
  #slots: (Item | undefined)[] = new Array(slotsMin).fill(undefined);
  #base: number;
  #end: number;
  #size = 0;

  /** @param first - the number of the first item. */
  constructor(first: number) {
    this.#base = first;
    this.#end = first;
  }

  /** Open items. */
  get size(): number {
    return this.#size;
  }

  /** Every number below is answered. */
  get base(): number {
    return this.#base;
  }

  /** The number that the next item gets. */
  get next(): number {
    return this.#end;
  }

  /** @returns the item's number. */
  add(item: Item): number {
    if (this.#end - this.#base === this.#slots.length) this.#grow();
    const number = this.#end++;
    this.#slots[number & (this.#slots.length - 1)] = item;
    this.#size++;
    return number;
  }

  /** Takes out the item of this number; undefined when it is not open. */
  take(number: number): Item | undefined {
    if (number < this.#base || number >= this.#end) return undefined;
    const index = number & (this.#slots.length - 1);
    const item = this.#slots[index];
    if (item === undefined) return undefined;
    this.#slots[index] = undefined;
    this.#size--;
    if (number === this.#base) this.#advance();
    return item;
  }

  /** Forgets every item with a lower number. */
  dropBelow(number: number): void {
    while (this.#base < number && this.#base < this.#end) this.take(this.#base);
  }

  /** Open items in order of their numbers. The window must not change meanwhile. */
  *entries(): IterableIterator<[number: number, item: Item]> {
    for (let number = this.#base; number < this.#end; number++) {
      const item = this.#slots[number & (this.#slots.length - 1)];
      if (item !== undefined) yield [number, item];
    }
  }

  /** Takes out everything. */
  takeAll(): readonly Item[] {
    const items = [...this.entries()].map(([, item]) => item);
    this.dropBelow(this.#end);
    return items;
  }

  #advance(): void {
    const mask = this.#slots.length - 1;
    let base = this.#base + 1;
    while (base < this.#end && this.#slots[base & mask] === undefined) base++;
    this.#base = base;
    if (this.#size === 0 && this.#slots.length > slotsMax) {
      this.#slots = new Array(slotsMin).fill(undefined);
    }
  }

  #grow(): void {
    const grown = new Array<Item | undefined>(2 * this.#slots.length).fill(undefined);
    for (const [number, item] of this.entries()) grown[number & (grown.length - 1)] = item;
    this.#slots = grown;
  }
}

/** An empty window keeps slots up to here. */
const slotsMax = 65_536;
