/** The value of a row that `committing-child.ts` commits: of many sizes, and told by its number. */
export function committedValue(row: number): Uint8Array {
  return new Uint8Array(100 + (row % 7) * 1_000).fill(row);
}
