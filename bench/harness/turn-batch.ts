/** Collects what comes in one turn of the event loop, and hands it on at its end in one piece. */
export class TurnBatch<Item> {
  readonly #handOn: (items: readonly Item[]) => void;
  #items: Item[] = [];

  constructor(handOn: (items: readonly Item[]) => void) {
    this.#handOn = handOn;
  }

  add(item: Item): void {
    if (this.#items.push(item) > 1) return;
    setImmediate(() => {
      const items = this.#items;
      this.#items = [];
      this.#handOn(items);
    });
  }
}
