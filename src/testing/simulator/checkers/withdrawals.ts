import { type Checker, complaints, type Story, storiesOf } from "./checker.ts";

/**
 * G2: what was taken back was never started, as far as the present hub can know: a start is forgotten
 * with the hub that was told of it; what was given up has no effect; nothing ends so that
 * nobody withdrew; and what the one who withdrew was told is true.
 */
export const withdrawals: Checker = (history) => {
  const asked = new Set<string>();
  const granted = new Map<string, string>();
  let knownSinceMs = 0;
  for (const event of history) {
    if (event.kind === "owns") knownSinceMs = event.atMs;
    if (event.kind === "withdrawing") asked.add(event.id);
    if (event.kind !== "withdrawn") continue;
    if (event.answer === "rescinded") granted.set(event.id, "rescinded");
    if (event.answer === "accepted") granted.set(event.id, "cancelled");
  }
  return complaints("G2", storiesOf(history), (story) =>
    problemOf(story, asked.has(story.id), granted.get(story.id), knownSinceMs),
  );
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
