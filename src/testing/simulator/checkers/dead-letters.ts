import { type Checker, complaints, storiesOf } from "./checker.ts";

/** G8: what is dead is a dead letter, once, and nothing else is. */
export const deadLetters: Checker = (history) =>
  complaints("G8", storiesOf(history), ({ deadLetters: { size: count }, settled, effects }) => {
    if (count > 1) return `is ${count} dead letters`;
    if (count === 1 && effects.length > 0) return "is a dead letter and had an effect";
    if (count === 1 && settled !== undefined && settled !== "dead") {
      return `is a dead letter and ${settled}`;
    }
    return settled === "dead" && count === 0 ? "is dead, and no dead letter says so" : undefined;
  });
