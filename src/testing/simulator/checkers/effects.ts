import { type Checker, complaints, type Story, storiesOf } from "./checker.ts";

/** G3: effects commit with the end of their message: once, and only those of the attempt that ended it. */
export const effectsOnce: Checker = (history) =>
  complaints("G3", storiesOf(history), (story) => doubled(story) ?? unearned(story));

function doubled({ effects }: Story): string | undefined {
  return effects.length > 1 ? `had its effect ${effects.length} times` : undefined;
}

function unearned({ effects, returned, settled }: Story): string | undefined {
  const [effect] = effects;
  if (effect === undefined) return undefined;
  if (!returned.has(effect.attempt)) {
    return `had the effect of attempt ${effect.attempt}, which did not return`;
  }
  if (settled === undefined || settled === "done" || settled === "unknown") return undefined;
  return `is ${settled} and had an effect`;
}
