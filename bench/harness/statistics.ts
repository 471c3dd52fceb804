/** Order statistics of a handful of rounds, and of many latencies. */
export interface Spread {
  readonly minimum: number;
  readonly median: number;
  readonly maximum: number;
}

/** @throws RangeError when there are no values. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  return { minimum: at(sorted, 0), median: median(sorted), maximum: at(sorted, sorted.length - 1) };
}

/**
 * How many times `subject` is `other`, round by round: what disturbs the machine disturbs both halves
 * of a round, so the ratios of the rounds vary less than the ratio of two medians.
 *
 * @throws RangeError when the rounds do not pair up.
 */
export function ratioSpread(subject: readonly number[], other: readonly number[]): Spread {
  if (subject.length !== other.length) {
    throw new RangeError(`${subject.length} rounds against ${other.length}`);
  }
  return spread(subject.map((value, round) => value / at(other, round)));
}

/**
 * The smallest value that at least `fraction` of the values do not exceed (nearest rank).
 *
 * @param sorted - ascending, at least one.
 * @param fraction - above 0, at most 1.
 */
export function percentile(sorted: Float64Array, fraction: number): number {
  return at(sorted, Math.max(0, Math.ceil(fraction * sorted.length) - 1));
}

/** The mean of the middle two where there is no middle one. */
function median(sorted: readonly number[]): number {
  const upper = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? at(sorted, upper)
    : (at(sorted, upper - 1) + at(sorted, upper)) / 2;
}

function at(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no value ${index} of ${values.length}`);
  return value;
}
