import type { Machine } from "../harness/machine.ts";
import type { Failure } from "../harness/rounds.ts";
import type { Table } from "./report.ts";

export interface Page {
  /** Year-month-day. */
  readonly date: string;
  /** As somebody else would type it. */
  readonly command: string;
  readonly machine: Machine;
  readonly sections: readonly Section[];
  readonly failures: readonly Failure[];
}

export interface Section {
  readonly title: string;
  readonly text?: string;
  readonly tables: readonly Table[];
}

/** The page that `--save` leaves under docs/results. */
export function formatPage({ date, command, machine, sections, failures }: Page): string {
  const parts = [
    `# Measured ${date}`,
    `\`${command}\` on ${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB of memory, ` +
      `${machine.system}, Node ${machine.node}; load before the first measurement ${machine.load}. ` +
      "Figures move from machine to machine and hour to hour; ratios hold better. How to read them: " +
      "[Performance](../performance.md).",
    ...sections.flatMap(({ title, text, tables }) => [
      `## ${title}`,
      ...(text === undefined ? [] : [text]),
      ...tables.map((table) => formatTable(table, tables.length > 1 || table.title !== title)),
    ]),
    ...failures.map(
      ({ workload, subject, reason }) => `Not measured: ${subject} in ${workload}: ${reason}`,
    ),
  ];
  return `${parts.join("\n\n")}\n`;
}

function formatTable({ title, columns, rows }: Table, titled: boolean): string {
  const rule = columns.map((_, column) => (column === 0 ? "---" : "--:"));
  const lines = [columns, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return (titled ? [`**${title}**`, "", ...lines] : lines).join("\n");
}
