import { type Checker, type Story, storiesOf, type Violation } from "./checker.ts";

/**
 * G4: messages of one sender, mailbox, key and priority have their effects in the order of sending,
 * and none is started before the one ahead of it was. Whatever has a time of its own takes its place
 * when that has come, and is left out.
 */
export const keyOrder: Checker = (history) => {
  const booked = new Map<string, number>();
  for (const event of history) {
    if (event.kind === "effect" && !booked.has(event.id)) booked.set(event.id, booked.size);
  }
  return [...linesOf(storiesOf(history))].flatMap(([line, stories]) => [
    ...inversions(line, stories, "effect", ({ id }) => booked.get(id)),
    ...inversions(line, stories, "start", ({ starts }) => starts[0]?.atMs),
  ]);
};

function linesOf(stories: readonly Story[]): ReadonlyMap<string, readonly Story[]> {
  const lines = new Map<string, Story[]>();
  for (const story of stories) {
    const [sending] = story.sendings;
    if (sending?.line === undefined || sending.notBeforeMs !== undefined) continue;
    const stories = lines.get(sending.line) ?? [];
    stories.push(story);
    lines.set(sending.line, stories);
  }
  return lines;
}

/** Pairs that came the wrong way around. One that was sent again may stand at the place of any sending. */
function inversions(
  line: string,
  stories: readonly Story[],
  what: string,
  placeOf: (story: Story) => number | undefined,
): readonly Violation[] {
  const come = stories.flatMap((story) => {
    const place = placeOf(story);
    const sentMs = story.sendings.map(({ atMs }) => atMs);
    return place === undefined ? [] : [{ id: story.id, place, sentMs }];
  });
  return come.flatMap((later, index) =>
    come
      .slice(0, index)
      .filter((earlier) => later.place < earlier.place && isSentBefore(earlier, later))
      .map((earlier) => ({
        promise: "G4",
        what: `${later.id} came before ${earlier.id} (${what}) in the line of ${line}`,
      })),
  );
}

interface Sent {
  readonly sentMs: readonly number[];
}

/** For certain; what was sent in one go is told apart by its place in the history. */
function isSentBefore(earlier: Sent, later: Sent): boolean {
  if (earlier.sentMs.length === 1 && later.sentMs.length === 1) return true;
  return Math.max(...earlier.sentMs) < Math.min(...later.sentMs);
}
