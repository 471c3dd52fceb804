/** Collects durations without allocating for each. */
import { percentile } from "./statistics.ts";
import type { Latency } from "./subject.ts";

const initialCapacity = 1 << 16;

export class Latencies {
  #milliseconds = new Float64Array(initialCapacity);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(milliseconds: number): void {
    if (this.#count === this.#milliseconds.length) this.#grow();
    this.#milliseconds[this.#count++] = milliseconds;
  }

  /** @throws RangeError when none was added. */
  summary(): Latency {
    const sorted = this.#milliseconds.subarray(0, this.#count).toSorted();
    return {
      p50Microseconds: percentile(sorted, 0.5) * 1_000,
      p99Microseconds: percentile(sorted, 0.99) * 1_000,
    };
  }

  #grow(): void {
    const larger = new Float64Array(this.#milliseconds.length * 2);
    larger.set(this.#milliseconds);
    this.#milliseconds = larger;
  }
}
