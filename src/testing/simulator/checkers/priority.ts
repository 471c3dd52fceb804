import type { ScenarioHistory } from "../events.ts";
import { type Checker, type Story, storiesOf, type Violation } from "./checker.ts";

const weights = { critical: 8, high: 4, normal: 2, low: 1 } as const;
type Class = keyof typeof weights;
const classes = Object.keys(weights) as readonly Class[];

/** Starts by which a class may be away from its share: it comes up in turns, and those are whole. */
const slack = 2;

/**
 * G5: while messages of every class wait, they are served 8:4:2:1. Looks at the time from when all
 * were stored until the first class runs out.
 */
export const priorityShares: Checker = (history) => {
  const stories = storiesOf(history);
  const started = startsUnderLoad(history, stories);
  const sum = started.length;
  return classes.flatMap((name): Violation[] => {
    const count = started.filter((priority) => priority === name).length;
    const share = (sum * weights[name]) / 15;
    if (Math.abs(count - share) <= slack) return [];
    const what = `${count} of ${sum} starts were ${name}, and its share is ${share.toFixed(1)}`;
    return [{ promise: "G5", what }];
  });
};

/** The classes of first starts, in order, while there is something of every class to start. */
function startsUnderLoad(history: ScenarioHistory, stories: readonly Story[]): readonly Class[] {
  const allStoredMs = Math.max(
    ...history.flatMap(({ kind, atMs }) => (kind === "acknowledged" ? [atMs] : [])),
  );
  const waiting = new Map(classes.map((name): [Class, number] => [name, 0]));
  const starts: { readonly priority: Class; readonly atMs: number }[] = [];
  for (const {
    sendings,
    starts: [first],
  } of stories) {
    const priority = sendings[0]?.priority;
    if (priority === undefined || first === undefined) continue;
    if (first.atMs <= allStoredMs) continue;
    waiting.set(priority, (waiting.get(priority) ?? 0) + 1);
    starts.push({ priority, atMs: first.atMs });
  }
  const counted: Class[] = [];
  for (const { priority } of starts.toSorted((a, b) => a.atMs - b.atMs)) {
    if ([...waiting.values()].some((count) => count === 0)) break;
    counted.push(priority);
    waiting.set(priority, (waiting.get(priority) ?? 0) - 1);
  }
  return counted;
}
