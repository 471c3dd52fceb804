/** Of plain lists of numbers. */

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation of the whole list, not of a sample. */
export function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

/** The value that `fraction` of the values do not exceed; NaN for none. `values` must be sorted. */
export function quantile(values: readonly number[], fraction: number): number {
  return values[Math.max(0, Math.ceil(values.length * fraction) - 1)] ?? Number.NaN;
}
