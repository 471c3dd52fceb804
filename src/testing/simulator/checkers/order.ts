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

/** Pairs of neighbours, as far as they have come, that came the wrong way around. */
function inversions(
  line: string,
  stories: readonly Story[],
  what: string,
  placeOf: (story: Story) => number | undefined,
): readonly Violation[] {
  const found: Violation[] = [];
  let before: { readonly id: string; readonly place: number } | undefined;
  for (const story of stories) {
    const place = placeOf(story);
    if (place === undefined) continue;
    if (before !== undefined && place < before.place) {
      found.push({
        promise: "G4",
        what: `${story.id} came before ${before.id} (${what}) in the line of ${line}`,
      });
    }
    before = { id: story.id, place };
  }
  return found;
}
