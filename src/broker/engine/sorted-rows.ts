/**
 * Rows in order, in chunks short enough that making room in one is cheap.
 *
 *   chunks   [ a c d ] [ f g ] [ k m n p ]      none empty, each at most `chunkRowsMax`
 *
 * Finding a row is two binary searches: for its chunk, then inside it.
 */
const chunkRowsMax = 512;

export class SortedRows<Row> {
  readonly #compare: (a: Row, b: Row) => number;
  readonly #chunks: Row[][] = [];
  #size = 0;

  /** @param compare - negative when `a` comes before `b`; rows for which it is 0 are the same row. */
  constructor(compare: (a: Row, b: Row) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#size;
  }

  get(probe: Row): Row | undefined {
    const chunk = this.#chunks[this.#chunkOf(probe)];
    if (chunk === undefined) return undefined;
    const row = chunk[this.#firstFrom(chunk, probe)];
    return row !== undefined && this.#compare(row, probe) === 0 ? row : undefined;
  }

  /** @returns the row that it replaced. */
  set(row: Row): Row | undefined {
    const chunks = this.#chunks;
    const at = Math.min(this.#chunkOf(row), chunks.length - 1);
    const chunk = chunks[at];
    if (chunk === undefined) {
      chunks.push([row]);
      this.#size = 1;
      return undefined;
    }
    const index = this.#firstFrom(chunk, row);
    const there = chunk[index];
    if (there !== undefined && this.#compare(there, row) === 0) {
      chunk[index] = row;
      return there;
    }
    if (index === chunk.length) chunk.push(row);
    else chunk.splice(index, 0, row);
    this.#size++;
    if (chunk.length > chunkRowsMax) this.#split(at, chunk, index);
    return undefined;
  }

  /** @returns the row that was there. */
  delete(probe: Row): Row | undefined {
    const at = this.#chunkOf(probe);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return undefined;
    const index = this.#firstFrom(chunk, probe);
    const row = chunk[index];
    if (row === undefined || this.#compare(row, probe) !== 0) return undefined;
    if (index === 0) chunk.shift();
    else chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    this.#size--;
    return row;
  }

  /** Rows from `probe` on, inclusive. The rows must not change meanwhile. */
  *from(probe: Row): Generator<Row, void, undefined> {
    const chunks = this.#chunks;
    for (let at = this.#chunkOf(probe), first = true; at < chunks.length; at++, first = false) {
      const chunk = chunks[at] as Row[];
      for (let index = first ? this.#firstFrom(chunk, probe) : 0; index < chunk.length; index++) {
        yield chunk[index] as Row;
      }
    }
  }

  /** The last row at or before `probe`. */
  floor(probe: Row): Row | undefined {
    const at = this.#chunkOf(probe);
    const chunk = this.#chunks[at];
    const index = chunk === undefined ? 0 : this.#firstFrom(chunk, probe);
    const row = chunk?.[index];
    if (row !== undefined && this.#compare(row, probe) === 0) return row;
    return index > 0 ? chunk?.[index - 1] : this.#chunks[at - 1]?.at(-1);
  }

  /** Appending leaves full chunks behind, anything else two halves. */
  #split(at: number, chunk: Row[], inserted: number): void {
    const keep = inserted === chunk.length - 1 ? chunk.length - 1 : chunk.length >> 1;
    this.#chunks.splice(at + 1, 0, chunk.splice(keep));
  }

  /** The first chunk whose last row is not before `probe`; one past the end when there is none. */
  #chunkOf(probe: Row): number {
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const chunk = chunks[middle] as Row[];
      if (this.#compare(chunk[chunk.length - 1] as Row, probe) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The first index whose row is not before `probe`. */
  #firstFrom(chunk: readonly Row[], probe: Row): number {
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(chunk[middle] as Row, probe) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
