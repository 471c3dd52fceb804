/** Long batches become several calls, so that no script keeps the server busy for long. */

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
