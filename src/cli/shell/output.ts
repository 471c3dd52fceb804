/** How commands write what they have found: for people, or as JSON lines for machines. */
import { styleText } from "node:util";
import type { ErrorInfo } from "../../errors.ts";
import { columnsOf, isTerminal, jsonLine, type Terminal, writeLine } from "../terminal.ts";
import { type Column, table } from "./table.ts";
import { harmless, oneLine, valueText } from "./text.ts";

/** One value: the text or JSON of it; JSON over several lines where a person looks. */
export async function writeValue(value: unknown, json: boolean, terminal: Terminal): Promise<void> {
  const { out } = terminal;
  if (json) return writeLine(out, jsonLine(value));
  if (value === undefined) return;
  if (typeof value === "object" && value !== null && isTerminal(out)) {
    return writeLine(out, harmless(JSON.stringify(JSON.parse(jsonLine(value)), null, 2)));
  }
  // What goes into a file or another program is left as it was sent.
  const asSent = typeof value === "string" && !isTerminal(out);
  return writeLine(out, asSent ? value : valueText(value));
}

/**
 * A table for people, with its titles in bold where that is possible; nothing where there are no rows.
 *
 * @param width - columns of a line. Default: those of the terminal.
 */
export async function writeTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  terminal: Terminal,
  width: number | undefined = columnsOf(terminal.out),
): Promise<void> {
  if (rows.length === 0) return;
  const [titles = "", ...lines] = table(columns, rows, width);
  await writeLine(terminal.out, bold(titles, terminal));
  for (const line of lines) await writeLine(terminal.out, line);
}

export async function writeJsonLines(values: Iterable<unknown>, terminal: Terminal): Promise<void> {
  for (const value of values) await writeLine(terminal.out, jsonLine(value));
}

/** A remark about the results. */
export function remark(text: string, terminal: Terminal): void {
  terminal.err.write(`${harmless(text)}\n`);
}

/** Bold on a terminal, unless NO_COLOR is set. */
export function bold(text: string, { out }: Terminal): string {
  return styleText("bold", text, { stream: out });
}

export function errorText({ code, message }: ErrorInfo): string {
  return oneLine(`${code}: ${message}`);
}
