/**
 * A page of docs/results of which one part is measured, between two marks. What people have written
 * around it stays.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const end = "<!-- /measured -->";

export interface MeasuredPart {
  /** That measures it again; it stands in the mark. */
  readonly command: string;
  readonly text: string;
  /** Stands above the part where there is no page yet. */
  readonly head: string;
}

/** @throws Error where there is a page without the marks: a person has written all of it. */
export function saveMeasured(path: string, { command, text, head }: MeasuredPart): void {
  const begin = `<!-- measured: ${command} -->`;
  const page = existsSync(path) ? readFileSync(path, "utf8") : `${head}\n\n${begin}\n${end}\n`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end, from);
  if (from === -1 || to === -1) throw new Error(`${path} has no "${begin}" before "${end}"`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${page.slice(0, from)}${begin}\n\n${text.trim()}\n\n${page.slice(to)}`);
}
