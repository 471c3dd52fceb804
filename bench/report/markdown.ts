import type { Workload } from "../catalogue.ts";
import type { Machine } from "../harness/machine.ts";
import type { Failure } from "../harness/rounds.ts";
import type { Table } from "./report.ts";

export interface Page {
  /** Year-month-day. */
  readonly date: string;
  /** As somebody else would type it. */
  readonly command: string;
  readonly machine: Machine;
  readonly sections: readonly { readonly workload: Workload; readonly tables: readonly Table[] }[];
  readonly failures: readonly Failure[];
}

/** The page that `--save` leaves under docs/results. */
export function formatPage({ date, command, machine, sections, failures }: Page): string {
  const parts = [
    `# Measured ${date}`,
    `\`${command}\` on ${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB of memory, ` +
      `${machine.system}, Node ${machine.node}; load before the first measurement ${machine.load}. ` +
      "Figures move from machine to machine and hour to hour; ratios hold better. How to read them: " +
      "[Performance](../performance.md).",
    ...sections.flatMap(({ workload, tables }) => [
      `## ${workload.title}`,
      workload.operation,
      ...tables.map(formatTable),
    ]),
    ...failures.map(
      ({ workload, subject, reason }) => `Not measured: ${subject} in ${workload}: ${reason}`,
    ),
  ];
  return `${parts.join("\n\n")}\n`;
}

function formatTable({ title, columns, rows, verdicts }: Table): string {
  const rule = columns.map((_, column) => (column === 0 ? "---" : "--:"));
  const lines = [columns, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const verdict = verdicts.length === 0 ? [] : ["", verdicts.join(" ")];
  return [`**${title}**`, "", ...lines, ...verdict].join("\n");
}
