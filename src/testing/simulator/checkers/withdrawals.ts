import { type Checker, complaints, type Story, storiesOf } from "./checker.ts";

/**
 * G2: what was taken back was never started, as far as the hub that took it back could know: a start is
 * forgotten with the hub that was told of it; what was given up has no effect; nothing ends so that
 * nobody withdrew; and what the one who withdrew was told is true.
 */
export const withdrawals: Checker = (history) => {
  const asked = new Set<string>();
  const granted = new Map<string, string>();
  /** Since when whoever took it back has had the hub. */
  const knownSinceMs = new Map<string, number>();
  let ownsSinceMs = 0;
  for (const event of history) {
    if (event.kind === "owns") ownsSinceMs = event.atMs;
    if (event.kind === "withdrawing") asked.add(event.id);
    if (event.kind !== "withdrawn") continue;
    if (event.answer === "accepted") granted.set(event.id, "cancelled");
    if (event.answer !== "rescinded") continue;
    granted.set(event.id, "rescinded");
    if (!knownSinceMs.has(event.id)) knownSinceMs.set(event.id, ownsSinceMs);
  }
  return complaints("G2", storiesOf(history), (story) => {
    const { id } = story;
    // Where nobody lived to see the answer it may have come from any hub.
    const sinceMs = knownSinceMs.get(id) ?? ownsSinceMs;
    return problemOf(story, asked.has(id), granted.get(id), sinceMs);
  });
};

function problemOf(
  { settled, starts, effects }: Story,
  asked: boolean,
  granted: string | undefined,
  knownSinceMs: number,
): string | undefined {
  const withdrawn = settled === "rescinded" || settled === "cancelled";
  if (withdrawn && !asked) return `is ${settled}, and nobody asked for that`;
  if (granted !== undefined && settled !== undefined && settled !== granted) {
    return `is ${settled}, and whoever withdrew it was told ${granted}`;
  }
  if (settled === "rescinded" && starts.some(({ atMs }) => atMs > knownSinceMs)) {
    return "was taken back, and started";
  }
  if (withdrawn && effects.length > 0) return `is ${settled}, and had an effect`;
  return undefined;
}
