/** Messages that arrive in one lane with one group, cut into pages. */
import type { QueuedMessage } from "../broker.ts";
import { encodePage, Page, pageBytesMax, storedBytes } from "./page.ts";

/** A page of messages that arrive, beginning with the one at index `from`. */
export interface ArrivedPage {
  readonly page: Page;
  readonly from: number;
}

export class Arrivals {
  readonly messages: QueuedMessage[] = [];
  readonly #positions: number[] = [];
  /** Where each page begins, and its bytes. */
  readonly #pageStarts: number[] = [];
  readonly #pageBytes: number[] = [];

  add(message: QueuedMessage, position: number): void {
    const bytes = storedBytes(message);
    const last = this.#pageBytes.length - 1;
    const filled = this.#pageBytes[last] ?? pageBytesMax;
    if (filled + bytes > pageBytesMax) {
      this.#pageStarts.push(this.messages.length);
      this.#pageBytes.push(bytes);
    } else {
      this.#pageBytes[last] = filled + bytes;
    }
    this.messages.push(message);
    this.#positions.push(position);
  }

  /** @param a - first part of the key of the lane's pages. */
  encode(a: number): readonly ArrivedPage[] {
    return this.#pageStarts.map((from, index) => {
      const count = (this.#pageStarts[index + 1] ?? this.messages.length) - from;
      const bytes = this.#pageBytes[index] as number;
      const value = encodePage(this.messages, this.#positions, from, count, bytes);
      const b = this.#positions[from] as number;
      return { page: new Page("page", { a, b }, value, undefined), from };
    });
  }
}
