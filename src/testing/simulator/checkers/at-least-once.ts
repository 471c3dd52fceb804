import { observerName, type ScenarioHistory } from "../events.ts";
import { type Checker, complaints, disturbs, type Story, storiesOf } from "./checker.ts";

/**
 * G2: what was acknowledged ends in a final state that is true; what was rejected is never delivered;
 * nothing is delivered that nobody sent. At-most-once messages may be lost: they have failed then, and
 * something has happened to somebody; or nobody knows, and the hub that held them is gone.
 */
export const atLeastOnce: Checker = (history) => {
  const disturbedMs = lastOf(
    history,
    ({ kind, process }) => disturbs(kind) && process !== observerName,
  );
  const handedOverMs = lastOf(history, ({ kind }) => kind === "owns");
  return complaints("G2", storiesOf(history), (story) => {
    if (story.sendings.length === 0) return "was never sent, and there it is";
    if (isRejected(story) && story.starts.length > 0) return "was rejected and yet delivered";
    if (!story.acknowledged) return undefined;
    const sentMs = story.sendings[0]?.atMs ?? 0;
    const { settled, threw } = story;
    if (settled === "failed" && threw.size === 0 && disturbedMs + feltMs < sentMs) {
      return "failed, and nothing had happened to anybody";
    }
    if (settled === "unknown" && handedOverMs < sentMs) {
      return "is unknown, and the hub that took it is there";
    }
    return unfinished(story);
  });
};

/** How long a link that has broken may be taken for whole. */
const feltMs = 150;

function lastOf(history: ScenarioHistory, is: (event: ScenarioHistory[number]) => boolean): number {
  return history.findLast(is)?.atMs ?? 0;
}

/** Rejected for certain, each time that it was sent. */
function isRejected({ sendings, refusals, acknowledged }: Story): boolean {
  const certain = refusals.filter((code) => !unclear.has(code));
  return !acknowledged && certain.length === sendings.length;
}

const unclear: ReadonlySet<string> = new Set(["INDETERMINATE", "CLOSED", "CANCELLED"]);

function unfinished({ sendings, settled, effects, deadLetters }: Story): string | undefined {
  const once = sendings[0]?.guarantee === "at-most-once";
  switch (settled) {
    case "done":
      return effects.length === 0 ? "is done and has had no effect" : undefined;
    case "dead":
      return deadLetters.size === 0 ? "is dead and no dead letter" : undefined;
    case "expired":
      return sendings.some(({ expiresAtMs }) => expiresAtMs !== undefined)
        ? undefined
        : "expired, and nothing said when";
    // Whether somebody asked for that is for another checker.
    case "cancelled":
    case "rescinded":
      return undefined;
    case "failed":
      return once ? undefined : "failed, and no handler said so";
    case undefined:
      return "was acknowledged and never came to an end";
    case "unknown":
      // Who held it is not written down, so that nobody can say what became of it.
      return once ? undefined : "was acknowledged and nobody knows it in the end";
    default:
      return `was acknowledged and is ${settled} in the end`;
  }
}
