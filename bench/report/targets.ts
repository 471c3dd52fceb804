import type { Table, Verdict } from "./report.ts";

/** The table of all targets, with how each fared. */
export function targetsTable(verdicts: readonly Verdict[]): Table {
  return {
    title: "Targets",
    columns: ["work", "target", "seen", ""],
    rows: verdicts.map(({ work, target, seen, met }) => [
      work,
      target,
      seen,
      met ? "met" : "missed",
    ]),
  };
}
