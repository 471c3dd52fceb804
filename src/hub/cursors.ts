/** Readings in progress on behalf of a client, each handed out a piece at a time. */
import { ColloquyError } from "../errors.ts";

/** Items in one answer, and the bytes in them: far below what one answer may have. */
const itemsMax = 256;
const bytesMax = 2 * 2 ** 20;

/** Readings that one session may have open: each keeps what was read and not handed out. */
export const readingsMax = 4_096;

export interface CursorPiece {
  /** Absent with the last piece. */
  readonly cursor?: number;
  readonly items: readonly unknown[];
}

interface Cursor {
  readonly batches: AsyncIterator<readonly unknown[]>;
  readonly bytesOf: (item: never) => number;
  readonly controller: AbortController;
  /** Items of the last batch that were not handed out. */
  rest: readonly unknown[];
}

export class Cursors {
  readonly #open = new Map<number, Cursor>();

  /**
   * Opens a reading and hands out its first piece.
   *
   * @param number - names it; unique in the session.
   * @param bytesOf - of an item, roughly.
   * @throws QUEUE_FULL when as many are open as may be.
   */
  open<Item>(
    number: number,
    read: (signal: AbortSignal) => AsyncIterable<readonly Item[]>,
    bytesOf: (item: Item) => number,
  ): Promise<CursorPiece> {
    if (this.#open.size >= readingsMax) {
      throw new ColloquyError("QUEUE_FULL", `readings: ${readingsMax} are open already`, {
        details: { field: "readings", limit: readingsMax },
      });
    }
    const controller = new AbortController();
    const batches = read(controller.signal)[Symbol.asyncIterator]();
    this.#open.set(number, { batches, bytesOf, controller, rest: [] });
    return this.more(number);
  }

  has(number: number): boolean {
    return this.#open.has(number);
  }

  /** @throws NOT_FOUND when there is none of this number. */
  async more(number: number): Promise<CursorPiece> {
    const cursor = this.#open.get(number);
    if (cursor === undefined) throw new ColloquyError("NOT_FOUND", `there is no cursor ${number}`);
    if (cursor.rest.length === 0) {
      const { done, value } = await cursor.batches.next();
      if (done === true) {
        this.#open.delete(number);
        return { items: [] };
      }
      cursor.rest = value;
    }
    const count = pieceLength(cursor);
    const items = cursor.rest.slice(0, count);
    cursor.rest = cursor.rest.slice(count);
    return { cursor: number, items };
  }

  close(number: number): void {
    const cursor = this.#open.get(number);
    if (cursor === undefined) return;
    this.#open.delete(number);
    cursor.controller.abort();
    void cursor.batches.return?.().catch(() => {});
  }

  closeAll(): void {
    for (const number of [...this.#open.keys()]) this.close(number);
  }
}

/** As many items as fit, and one at least. */
function pieceLength({ rest, bytesOf }: Cursor): number {
  let bytes = 0;
  let count = 0;
  while (count < rest.length && count < itemsMax && bytes < bytesMax) {
    bytes += bytesOf(rest[count++] as never);
  }
  return count;
}
