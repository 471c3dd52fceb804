import type { ScenarioHistory } from "../events.ts";
import type { Checker, Violation } from "./checker.ts";

/**
 * Writes under a condition (a revision, a position): what was acknowledged is there, at its place and
 * once; what was refused is not; nothing is there that nobody wrote.
 */
export const conflicts: Checker = (history) => {
  const values = new Map<string, string[]>();
  for (const event of history) {
    if (event.kind === "found") values.set(event.what, [...event.values]);
  }
  return [...values].flatMap(([what, found]) => [
    ...doubles(what, found),
    ...history.flatMap((event) => problemOf(event, what, found)),
    ...strangers(history, what, found),
  ]);
};

function problemOf(
  event: ScenarioHistory[number],
  what: string,
  found: readonly string[],
): readonly Violation[] {
  if (event.kind !== "written" && event.kind !== "unwritten") return [];
  if (event.what !== what) return [];
  const { kind, value } = event;
  const present = found.includes(value);
  if (kind === "written" && !present)
    return [complaint(`${value} was written, and is not in ${what}`)];
  if (kind === "written" && found[event.place - 1] !== value) {
    return [complaint(`${value} was written at ${event.place} of ${what}, and is elsewhere`)];
  }
  const certain = kind === "unwritten" && event.code === "CONFLICT";
  if (certain && present) return [complaint(`${value} was refused, and is in ${what}`)];
  return [];
}

function doubles(what: string, found: readonly string[]): readonly Violation[] {
  return found
    .filter((value, index) => found.indexOf(value) !== index)
    .map((value) => complaint(`${value} is in ${what} twice`));
}

function strangers(
  history: ScenarioHistory,
  what: string,
  found: readonly string[],
): readonly Violation[] {
  const written = new Set(
    history.flatMap((event) =>
      event.kind === "writing" && event.what === what ? [event.value] : [],
    ),
  );
  return found
    .filter((value) => !written.has(value))
    .map((value) => complaint(`${value} is in ${what}, and nobody wrote it`));
}

function complaint(what: string): Violation {
  return { promise: "G2", what };
}
