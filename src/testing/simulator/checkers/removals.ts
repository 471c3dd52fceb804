import { type Checker, complaints, storiesOf } from "./checker.ts";

/**
 * Where mailboxes are removed with what is in them, a message may end as unknown, and never otherwise
 * than it did: what is done has had its effect, what was rejected was never delivered.
 */
export const removals: Checker = (history) =>
  complaints("G2", storiesOf(history), (story) => {
    const { sendings, acknowledged, refusals, starts, settled, effects } = story;
    if (sendings.length === 0) return "was never sent, and there it is";
    const rejected = refusals.filter((code) => code === "NO_ELIGIBLE_AGENT").length;
    if (!acknowledged && rejected === sendings.length && starts.length > 0) {
      return "was rejected and yet delivered";
    }
    if (acknowledged && settled === undefined) return "was acknowledged and never came to an end";
    return settled === "done" && effects.length === 0 ? "is done and has had no effect" : undefined;
  });
