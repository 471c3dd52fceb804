/** All that has to be true of a run. */
import type { Bar } from "../protocol.ts";
import { type Check, reconcile } from "../rules/reconcile.ts";
import { replay } from "../rules/replay.ts";
import type { Run } from "./run.ts";

export function checksOf(run: Run, bars: readonly Bar[]): readonly Check[] {
  return [
    {
      what: "every order that was sent was executed",
      wrong: run.figures.flatMap(({ failures }) => failures),
    },
    { what: "no message was given up", wrong: run.deadLetters },
    ...reconcile(replay(bars), run.booked, run.statement.accounts),
  ];
}

export function allPassed(checks: readonly Check[]): boolean {
  return checks.every(({ wrong }) => wrong.length === 0);
}
