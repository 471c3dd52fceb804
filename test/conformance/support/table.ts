/**
 * The table of docs/brokers.md, between two marks: what each case of the suite found with each broker.
 *
 *   | case | memory | embedded | ...
 *   | an unsettled delivery comes back | yes | yes | ...
 *
 *   yes     the broker keeps it
 *   no (n)  it does not, for the nth of the reasons that follow the table
 *   –       it claims nothing of the kind, or the case shows how what it has not is refused
 */

export type Finding = "yes" | "–" | { readonly reason: string };

export interface ConformanceTable {
  /** Titles of the brokers, in the order of the columns. */
  readonly brokers: readonly string[];
  readonly rows: readonly {
    readonly name: string;
    /** One for each broker. */
    readonly findings: readonly Finding[];
  }[];
}

const begin = "<!-- conformance: npm run conformance -- --save -->";
const end = "<!-- /conformance -->";

/** @throws Error where the page lacks the marks. */
export function withTable(page: string, table: ConformanceTable): string {
  const [before, , after] = split(page);
  return `${before}${begin}\n\n${format(table)}\n${end}${after}`;
}

/** @throws Error where the page lacks the marks. */
export function readTable(page: string): ConformanceTable {
  const [, text] = split(page);
  const reasons = new Map(
    Array.from(text.matchAll(/^(\d+)\. (.+)$/gm), ([, number = "", reason = ""]) => [
      number,
      reason,
    ]),
  );
  const [head = [], ...rows] = Array.from(text.matchAll(/^\| (.+) \|$/gm), ([, cells = ""]) =>
    cells.split(" | "),
  );
  const findingOf = (cell: string): Finding => {
    const number = /^no \((\d+)\)$/.exec(cell)?.[1];
    if (number !== undefined) return { reason: reasons.get(number) ?? "" };
    if (cell === "yes" || cell === "–") return cell;
    throw new Error(`"${cell}" is no finding`);
  };
  return {
    brokers: head.slice(1),
    rows: rows.map(([name = "", ...cells]) => ({ name, findings: cells.map(findingOf) })),
  };
}

function format({ brokers, rows }: ConformanceTable): string {
  const reasons: string[] = [];
  const cellOf = (finding: Finding): string => {
    if (typeof finding === "string") return finding;
    const known = reasons.indexOf(finding.reason);
    return `no (${known === -1 ? reasons.push(finding.reason) : known + 1})`;
  };
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  const table = [
    line(["case", ...brokers]),
    `|---|${"---|".repeat(brokers.length)}\n`,
    ...rows.map(({ name, findings }) => line([name, ...findings.map(cellOf)])),
  ];
  const notes = reasons.map((reason, index) => `${index + 1}. ${reason}\n`);
  return `${table.join("")}${notes.length === 0 ? "" : `\n${notes.join("")}`}`;
}

function split(page: string): readonly [before: string, between: string, after: string] {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`the page has no "${begin}" before "${end}"`);
  return [page.slice(0, from), page.slice(from + begin.length, to), page.slice(to + end.length)];
}
