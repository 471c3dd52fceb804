import leven from "leven";

/**
 * What somebody meant who has mistyped a name.
 *
 * @returns the one of `names` with the fewest mistakes: a character too many, missing or wrong; characters
 *   that are all there and in another order are one, and so is an end that is missing or too much, such as
 *   a unit. Upper and lower case are the same. Undefined where all are too far away.
 */
export function nearest(given: string, names: readonly string[]): string | undefined {
  if (given.length > charactersMax) return undefined;
  let best: string | undefined;
  let fewest = Math.floor(given.length / charactersPerMistake) + 1;
  for (const name of names) {
    const mistakes = mistakesBetween(given.toLowerCase(), name.toLowerCase());
    if (mistakes >= fewest) continue;
    best = name;
    fewest = mistakes;
  }
  return best;
}

const charactersMax = 64;
const charactersPerMistake = 3;

function mistakesBetween(given: string, name: string): number {
  if (given === name) return 0;
  const [short, long] = given.length < name.length ? [given, name] : [name, given];
  if (short.length >= 3 && long.startsWith(short)) return 1;
  return inOrder(given) === inOrder(name) ? 1 : leven(given, name);
}

function inOrder(text: string): string {
  return [...text].sort().join("");
}
