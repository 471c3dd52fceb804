import type { ScenarioHistory } from "../events.ts";
import { type Checker, complaints, type Story, storiesOf } from "./checker.ts";

/**
 * A handler keeps its message as long as its process lives and comes back within the grace: it is
 * started again only when it threw, or its process died. For histories in which nobody was cut off
 * for longer than the grace.
 */
export const undisturbed: Checker = (history) =>
  complaints("G2", storiesOf(history), (story) => {
    const again = story.starts.find((start, index) => {
      const before = story.starts[index - 1];
      return before !== undefined && !isOver(history, story, before, start.atMs);
    });
    if (again === undefined) return undefined;
    return `was started again at ${again.atMs.toFixed(0)} ms, and its handler was at work`;
  });

/** Whether the attempt had ended by then. */
function isOver(
  history: ScenarioHistory,
  { id }: Story,
  start: Story["starts"][number],
  byMs: number,
): boolean {
  return history.some((event) => {
    if (event.atMs < start.atMs || event.atMs > byMs) return false;
    if (event.kind === "killed") return event.process === start.process;
    return event.kind === "threw" && event.id === id && event.attempt === start.attempt;
  });
}
