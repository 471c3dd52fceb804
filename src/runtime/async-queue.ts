/** The seam between code that pushes and one reader that pulls with `for await`. */
import { ColloquyError } from "../errors.ts";
import { Deferred } from "./deferred.ts";
import { RingBuffer } from "./ring-buffer.ts";

export interface AsyncQueueOptions<Item> {
  /** Items that may wait for the reader, 1 or more. Default: no limit. */
  readonly itemsMax?: number;
  /** Called once when the reader leaves before the end; what waits can still be taken out. */
  readonly onStop?: () => void;
  /** Called when the reader has taken an item that waited, and so made room. */
  readonly onRead?: (item: Item) => void;
}

/**
 * Holds what was pushed until it is read, in order. It is read by one reader at a time; leaving the
 * loop ends the queue.
 */
export class AsyncQueue<Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #itemsMax: number | undefined;
  /** Made with the first that has to wait. */
  #items: RingBuffer<Item> | undefined;
  readonly #onStop: (() => void) | undefined;
  readonly #onRead: ((item: Item) => void) | undefined;
  #reader: Deferred<IteratorResult<Item, undefined>> | undefined;
  #end: { readonly error?: unknown; readonly failed: boolean } | undefined;

  constructor(options: AsyncQueueOptions<Item> = {}) {
    const { itemsMax, onStop, onRead } = options;
    this.#itemsMax = itemsMax;
    this.#onStop = onStop;
    this.#onRead = onRead;
  }

  /** Items that wait for the reader. */
  get size(): number {
    return this.#items?.size ?? 0;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** @returns false when the queue is full or has ended, and then the item was not taken. */
  push(item: Item): boolean {
    if (this.#end !== undefined) return false;
    const reader = this.#reader;
    if (reader === undefined) return this.#wait(item);
    this.#reader = undefined;
    reader.resolve({ done: false, value: item });
    return true;
  }

  /** The reader gets what waits, then the end. Safe to repeat. */
  end(): void {
    this.#finish({ failed: false });
  }

  /** The reader gets what waits, then `error`, thrown once. Does nothing after the end. */
  fail(error: unknown): void {
    this.#finish({ failed: true, error });
  }

  /** Takes out what waits, past the reader. */
  takeAll(): readonly Item[] {
    const items = [...(this.#items ?? [])];
    this.#items?.clear();
    return items;
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.#items !== undefined && this.#items.size > 0) {
      const value = this.#items.shift() as Item;
      this.#onRead?.(value);
      return Promise.resolve({ done: false, value });
    }
    const end = this.#end;
    if (end !== undefined) {
      this.#end = { failed: false };
      if (end.failed) return Promise.reject(end.error);
      return Promise.resolve({ done: true, value: undefined });
    }
    if (this.#reader !== undefined) {
      return Promise.reject(new ColloquyError("INVALID_OPTION", "the queue has a reader already"));
    }
    this.#reader = new Deferred();
    return this.#reader.promise;
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    if (this.#end === undefined) {
      this.end();
      this.#onStop?.();
    }
    this.#items?.clear();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wait(item: Item): boolean {
    const itemsMax = this.#itemsMax;
    this.#items ??= new RingBuffer(itemsMax === undefined ? {} : { itemsMax });
    return this.#items.push(item);
  }

  #finish(end: { readonly error?: unknown; readonly failed: boolean }): void {
    if (this.#end !== undefined) return;
    const reader = this.#reader;
    this.#reader = undefined;
    this.#end = reader === undefined ? end : { failed: false };
    if (reader === undefined) return;
    if (end.failed) reader.reject(end.error);
    else reader.resolve({ done: true, value: undefined });
  }
}
