/**
 * Reading something long from a hub, a batch at a time: the first call opens it, each `more` brings the
 * next batch, HANGUP closes it. The hub keeps only where it was; after a broken link the reading is
 * opened again behind the last item that was seen.
 */
import { isColloquyError } from "../../errors.ts";
import type { Calls } from "./calls.ts";

export interface CursorOptions<Item> {
  readonly method: string;
  /** Parameters that begin behind `last`, the last of the `seen` items that came so far, if any did. */
  readonly from: (last: Item | undefined, seen: number) => unknown;
  readonly signal: AbortSignal;
}

/** What the hub answers to the opening call and to every `more`. */
interface CursorBatch<Item> {
  /** Names the cursor in `more`: the number of the opening call. Absent with the last batch. */
  readonly cursor?: number;
  readonly items: readonly Item[];
}

export async function* readCursor<Item>(
  calls: Calls,
  { method, from, signal }: CursorOptions<Item>,
): AsyncGenerator<readonly Item[], void> {
  let cursor: number | undefined;
  let last: Item | undefined;
  let seen = 0;
  try {
    for (;;) {
      const batch = await nextBatch<Item>();
      cursor = batch.cursor;
      last = batch.items.at(-1) ?? last;
      seen += batch.items.length;
      if (batch.items.length > 0) yield batch.items;
      if (cursor === undefined) return;
    }
  } finally {
    // Whoever leaves early does not wait for the hub to know.
    if (cursor !== undefined) {
      calls.call("cursor.close", { cursor }, { repeatable: false }).catch(() => {});
    }
  }

  async function nextBatch<Item>(): Promise<CursorBatch<Item>> {
    if (cursor !== undefined) {
      try {
        const more = await calls.call("cursor.more", { cursor }, { signal, repeatable: false });
        return more as CursorBatch<Item>;
      } catch (error) {
        // The link broke, and the cursor with it; or it broke while nobody was reading.
        const gone = isColloquyError(error, "INDETERMINATE") || isColloquyError(error, "NOT_FOUND");
        if (!gone) throw error;
      }
    }
    const opened = await calls.call(method, from(last, seen), { signal, repeatable: true });
    return opened as CursorBatch<Item>;
  }
}
