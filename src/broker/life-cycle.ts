/**
 * The life of a durable message, as one table. Brokers end and move messages by it, docs/life-cycle.md
 * is made from it, and tests compare with it what senders were told.
 *
 *   queued ⇄ offered → started ⇄ waiting-input → done | failed | dead | cancelled
 *      └────────┴──────────▶ expired | rescinded | cancelled | dead
 *
 * Durable: that a message is queued, waits for input, or is final. That it was offered or started is
 * known to whoever holds the queue, and forgotten with it: then the message is queued again.
 */
import { ColloquyError } from "../errors.ts";
import type { Attempts } from "./broker.ts";

export type LifeState =
  | "queued"
  | "offered"
  | "started"
  | "waiting-input"
  | "done"
  | "failed"
  | "expired"
  | "cancelled"
  | "rescinded"
  | "dead";

/** States that are not final. */
export type LiveState = Extract<LifeState, "queued" | "offered" | "started" | "waiting-input">;

export interface Transition {
  readonly from: LifeState;
  readonly to: LifeState;
  /** What brings it about, for people. */
  readonly cause: string;
  /** The counter of its attempts that it raises. */
  readonly counts?: keyof Attempts;
}

export const transitions: readonly Transition[] = [
  { from: "queued", to: "offered", cause: "a receiver has room" },
  { from: "queued", to: "expired", cause: "its time passed while it waited" },
  { from: "queued", to: "cancelled", cause: "its sender gave up" },
  { from: "queued", to: "rescinded", cause: "its sender withdrew it" },
  {
    from: "queued",
    to: "dead",
    cause: "the process that holds the queue died with it in hand too often",
    counts: "crashes",
  },
  { from: "offered", to: "started", cause: "a handler runs" },
  {
    from: "offered",
    to: "queued",
    cause: "given back, or its receiver left in order",
    counts: "pickups",
  },
  { from: "offered", to: "queued", cause: "its receiver vanished", counts: "crashes" },
  { from: "offered", to: "expired", cause: "its time passed before a handler was free" },
  { from: "offered", to: "cancelled", cause: "its sender gave up" },
  {
    from: "offered",
    to: "rescinded",
    cause: "its sender withdrew it, and its holder had not started it",
  },
  {
    from: "offered",
    to: "dead",
    cause: "given back too often, or not to be decoded",
    counts: "pickups",
  },
  { from: "started", to: "waiting-input", cause: "its handler asks a question" },
  {
    from: "started",
    to: "queued",
    cause: "its handler failed and is to try again",
    counts: "failures",
  },
  { from: "started", to: "queued", cause: "its receiver vanished", counts: "crashes" },
  {
    from: "started",
    to: "queued",
    cause: "its process closed before the handler ended",
    counts: "pickups",
  },
  { from: "started", to: "done", cause: "its handler returned" },
  { from: "started", to: "failed", cause: "its handler's final answer is an error" },
  {
    from: "started",
    to: "cancelled",
    cause: "its sender gave up, or its time passed while it ran",
  },
  { from: "started", to: "dead", cause: "its handler failed too often", counts: "failures" },
  { from: "started", to: "dead", cause: "its receivers vanished too often", counts: "crashes" },
  { from: "waiting-input", to: "started", cause: "answered, or its handler waits no longer" },
  { from: "waiting-input", to: "offered", cause: "answered before a new handler started" },
  { from: "waiting-input", to: "queued", cause: "answered while nobody held it" },
  { from: "waiting-input", to: "expired", cause: "its time passed while nobody held it" },
  { from: "waiting-input", to: "cancelled", cause: "its sender gave up, or its time passed" },
  {
    from: "waiting-input",
    to: "dead",
    cause: "its receivers vanished too often",
    counts: "crashes",
  },
];

const lifeStates: readonly LifeState[] = [
  ...new Set(transitions.flatMap(({ from, to }) => [from, to])),
];

/** Nothing leads out of these: what arrives later is not applied. */
export const finalStates: ReadonlySet<LifeState> = new Set<LifeState>([
  "done",
  "failed",
  "expired",
  "cancelled",
  "rescinded",
  "dead",
]);

/** States in which a message can be without anybody having been told, on the way to what is told next. */
const unseen: Readonly<Partial<Record<LifeState, readonly LifeState[]>>> = {
  queued: ["offered", "started"],
  offered: ["started"],
  "waiting-input": ["started"],
};

/** Plain objects: it is looked at for every message. */
const table: Readonly<Record<LifeState, Readonly<Record<string, true>>>> = reachable();

/** Whether a message seen in `from` may be seen in `to` next; a start that nobody follows goes unseen. */
export function isLegal(from: LifeState, to: LifeState): boolean {
  return table[from][to] === true;
}

/** @throws INTERNAL_ERROR for a transition that is not in the table. */
export function assertLegal(from: LifeState, to: LifeState): void {
  if (isLegal(from, to)) return;
  throw new ColloquyError("INTERNAL_ERROR", `a message that is ${from} cannot become ${to}`, {
    details: { from, to },
  });
}

function reachable(): typeof table {
  const stepsFrom = (from: LifeState): readonly LifeState[] =>
    transitions.filter((transition) => transition.from === from).map(({ to }) => to);
  const all: Partial<Record<LifeState, Record<string, true>>> = {};
  for (const from of lifeStates) {
    const steps = [from, ...(unseen[from] ?? [])].flatMap(stepsFrom);
    all[from] = Object.fromEntries(steps.map((to): [string, true] => [to, true]));
  }
  return all as typeof table;
}
