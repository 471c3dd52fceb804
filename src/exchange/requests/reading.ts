/**
 * One who reads a queue and gets something else out of it. A generator would do the same, but for one
 * thing: it cannot be left while it waits.
 */
import type { AsyncQueue } from "../../runtime/async-queue.ts";

export interface ReadingOptions<Item, Read> {
  /** What the reader gets for an item; what it throws ends the reading. */
  readonly read: (item: Item) => Read;
  /** What comes after the last item; nothing for one who has left. */
  readonly last?: () => Promise<Read>;
}

export class Reading<Item, Read> implements AsyncIterableIterator<Read, undefined> {
  readonly #queue: AsyncQueue<Item>;
  readonly #options: ReadingOptions<Item, Read>;
  #over = false;

  constructor(queue: AsyncQueue<Item>, options: ReadingOptions<Item, Read>) {
    this.#queue = queue;
    this.#options = options;
  }

  async next(): Promise<IteratorResult<Read, undefined>> {
    const step = await this.#queue.next();
    const { read, last } = this.#options;
    if (step.done !== true) {
      try {
        return { done: false, value: read(step.value) };
      } catch (error) {
        await this.return();
        throw error;
      }
    }
    if (this.#over || last === undefined) return { done: true, value: undefined };
    this.#over = true;
    return { done: false, value: await last() };
  }

  async return(): Promise<IteratorResult<Read, undefined>> {
    this.#over = true;
    await this.#queue.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
