/**
 * How often which latency was seen, in buckets each a tenth wider than the one before:
 *
 *   bucket   0            1                 ...   269
 *   up to    0.001 ms     0.001 * 1.1 ms          about 38 hours, and longer
 */
const leastMs = 0.001;
const growth = 1.1;
const buckets = 270;

export interface LatencyFigures {
  readonly averageMs: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

export class LatencyHistogram {
  #counts: Uint32Array | undefined;
  #count = 0;
  #sumMs = 0;

  get count(): number {
    return this.#count;
  }

  add(latencyMs: number): void {
    this.#counts ??= new Uint32Array(buckets);
    const bucket = Math.ceil(Math.log(latencyMs / leastMs) / Math.log(growth));
    const index = Math.min(buckets - 1, Math.max(0, bucket));
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count++;
    this.#sumMs += latencyMs;
  }

  /** Emptied, with its memory. */
  cleared(): this {
    this.#counts?.fill(0);
    this.#count = 0;
    this.#sumMs = 0;
    return this;
  }

  /** Of both together. */
  with(other: LatencyHistogram): LatencyFigures {
    const count = this.#count + other.#count;
    if (count === 0) return { averageMs: undefined, p50Ms: undefined, p99Ms: undefined };
    const quantile = (fraction: number) => this.#quantile(other, Math.ceil(fraction * count));
    const averageMs = (this.#sumMs + other.#sumMs) / count;
    return { averageMs, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
  }

  /** The upper end of the bucket in which the one of that rank lies, counted from 1. */
  #quantile(other: LatencyHistogram, rank: number): number {
    let below = 0;
    for (let index = 0; index < buckets; index++) {
      below += (this.#counts?.[index] ?? 0) + (other.#counts?.[index] ?? 0);
      if (below >= rank) return leastMs * growth ** index;
    }
    return leastMs * growth ** buckets;
  }
}
