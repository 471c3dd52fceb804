import { expect } from "vitest";

/** One place that breaks a rule. */
export interface Finding {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly what: string;
}

/** Fails with every finding as `file:line what`, one a line. */
export function expectNone(findings: readonly Finding[]): void {
  const lines = findings.map(({ file, line, what }) => `${file}:${line} ${what}`);
  expect(lines, lines.join("\n")).toEqual([]);
}

/** The line, counted from 1, that holds the character at `offset`. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
