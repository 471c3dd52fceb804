/** Milliseconds in classes 5% apart: constant memory, so that the soak measures no growth of its own. */
const base = 1.05;
const smallestMs = 0.01;
const classes = 400;

export class Histogram {
  readonly #counts = new Uint32Array(classes);
  #total = 0;

  add(ms: number): void {
    const at = Math.ceil(Math.log(Math.max(ms, smallestMs) / smallestMs) / Math.log(base));
    const index = Math.min(at, classes - 1);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#total++;
  }

  /** The upper end of the class; 0 when there is nothing. */
  quantile(share: number): number {
    let left = share * this.#total;
    for (const [at, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0 && this.#total > 0) return smallestMs * base ** at;
    }
    return 0;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }
}
