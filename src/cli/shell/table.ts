/** Rows under one another, within the width of the terminal. */
import { oneLine } from "./text.ts";
import { cut, widthOf } from "./width.ts";

export interface Column {
  readonly title: string;
  /** Default: left. */
  readonly align?: "left" | "right";
  /** May be cut short where there is not enough room. */
  readonly elastic?: true;
}

/** Columns of the terminal between those of the table. */
const gap = 2;
/** What is left of an elastic column however narrow the terminal. */
const elasticMin = 6;

/**
 * The lines of a table, its titles first.
 *
 * @param width - columns of the terminal; undefined for as many as it takes.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width?: number,
): readonly string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => row.map(oneLine))];
  const wanted = columns.map((_, index) =>
    Math.max(...cells.map((row) => widthOf(row[index] ?? ""))),
  );
  const widths = width === undefined ? wanted : fitted(columns, wanted, width);
  return cells.map((row) => {
    const padded = columns.map(({ align }, index) =>
      pad(row[index] ?? "", widths[index] ?? 0, align === "right"),
    );
    const line = padded.join(" ".repeat(gap)).trimEnd();
    return width === undefined ? line : cut(line, width);
  });
}

/** Takes from the widest elastic column, one column of the terminal at a time, until all fits. */
function fitted(
  columns: readonly Column[],
  wanted: readonly number[],
  width: number,
): readonly number[] {
  const widths = [...wanted];
  let over = widths.reduce((sum, it) => sum + it, 0) + gap * (widths.length - 1) - width;
  for (; over > 0; over--) {
    let widest = -1;
    for (const [index, { elastic }] of columns.entries()) {
      const here = widths[index] ?? 0;
      if (elastic && here > elasticMin && here > (widths[widest] ?? 0)) widest = index;
    }
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function pad(text: string, width: number, right: boolean): string {
  const fitting = cut(text, width);
  const rest = " ".repeat(Math.max(0, width - widthOf(fitting)));
  return right ? rest + fitting : fitting + rest;
}
