/** What the person in front of the terminal sees: lines that stay, and one that is overwritten. */
import { styleText } from "node:util";

/** Where lines cannot be overwritten, as in a file, a progress line is printed this often. */
const plainIntervalMs = 2_000;

export class Terminal {
  readonly #output: NodeJS.WriteStream;
  #progress = "";
  #printedMs = Number.NEGATIVE_INFINITY;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  /** Prints text that stays. */
  say(text: string): void {
    this.#output.write(this.#output.isTTY ? `\r\x1b[K${text}\n${this.#progress}` : `${text}\n`);
  }

  /** Replaces the progress line; an empty one removes it. */
  progress(line: string): void {
    if (this.#output.isTTY) {
      this.#progress = line.slice(0, this.#output.columns - 1);
      this.#output.write(`\r\x1b[K${this.#progress}`);
    } else if (line !== "" && performance.now() - this.#printedMs >= plainIntervalMs) {
      this.#printedMs = performance.now();
      this.#output.write(`${line}\n`);
    }
  }
}

// Plain where the output is no terminal, or NO_COLOR is set.
export const bold = (text: string): string => styleText("bold", text, { stream: process.stdout });
export const green = (text: string): string => styleText("green", text, { stream: process.stdout });
export const red = (text: string): string => styleText("red", text, { stream: process.stdout });

/** 1,234 */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** +$1,234.56 */
export function dollars(cents: number): string {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return `${cents < 0 ? "-" : "+"}$${Math.abs(cents / 100).toLocaleString("en-US", digits)}`;
}

/** 0.25, 3.1, 42, 1,204: as many digits as matter. */
export function milliseconds(value: number): string {
  return value < 10 ? value.toPrecision(2) : count(Math.round(value));
}

/** Rows under one another; a column of amounts is flush right, whatever its first row says. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = (rows[0] ?? []).map((_, index) => rows.map((row) => row[index] ?? ""));
  const padded = columns.map((cells) => {
    const width = Math.max(...cells.map((cell) => cell.length));
    const amounts = cells.slice(1).every((cell) => /^[-+$\d]/.test(cell));
    return cells.map((cell) => (amounts ? cell.padStart(width) : cell.padEnd(width)));
  });
  const lines = rows.map((_, index) => padded.map((cells) => cells[index] ?? "").join("  "));
  return lines.map((line) => `  ${line.trimEnd()}`).join("\n");
}
