/** Keeps what is remembered within its limit: of more than `sizeMax` entries those that came first go. */
export function forgetOldest(entries: Map<unknown, unknown> | Set<unknown>, sizeMax: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= sizeMax) return;
    entries.delete(oldest);
  }
}
