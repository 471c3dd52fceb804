/** Long batches become several calls, so that no script keeps the server busy for long; many calls of one turn one. */
import { Deferred } from "../../../runtime/deferred.ts";

const messagesMax = 512;
const bytesMax = 2 ** 22;

/** As it is, where it fits into one call, and else in several, sent in order. */
export function inBatches<Item, Result>(
  items: readonly Item[],
  bytesOf: (item: Item) => number,
  run: (batch: readonly Item[]) => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  if (items.length === 0) return Promise.resolve([]);
  const runs: Promise<readonly Result[]>[] = [];
  let from = 0;
  let bytes = 0;
  for (let index = 0; index < items.length; index++) {
    const more = bytesOf(items[index] as Item);
    if (index > from && (bytes + more > bytesMax || index - from === messagesMax)) {
      runs.push(run(items.slice(from, index)));
      from = index;
      bytes = 0;
    }
    bytes += more;
  }
  const last = run(from === 0 ? items : items.slice(from));
  if (runs.length === 0) return last;
  return Promise.all([...runs, last]).then((results) => results.flat());
}

/** What is asked one by one in one turn is asked together. */
export class Batcher<Item, Result> {
  readonly #run: (items: readonly Item[]) => Promise<readonly Result[]>;
  #waiting: { readonly item: Item; readonly result: Deferred<Result> }[] = [];

  /** @param run - gives one result each, in order. */
  constructor(run: (items: readonly Item[]) => Promise<readonly Result[]>) {
    this.#run = run;
  }

  ask(item: Item): Promise<Result> {
    const result = new Deferred<Result>();
    this.#waiting.push({ item, result });
    if (this.#waiting.length === 1) queueMicrotask(() => void this.#flush());
    return result.promise;
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      const noBytes = () => 0;
      const items = waiting.map(({ item }) => item);
      const results = await inBatches(items, noBytes, this.#run);
      for (const [index, { result }] of waiting.entries()) result.resolve(results[index] as Result);
    } catch (error) {
      for (const { result } of waiting) result.reject(error);
    }
  }
}
