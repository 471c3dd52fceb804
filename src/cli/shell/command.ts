/** What the files of `commands/` share in the way they add themselves. */
import type { Command } from "commander";
import type { ExitCode } from "../exit-codes.ts";
import type { Terminal } from "../terminal.ts";

/** Adds a command; its action hands its exit code to `ended`. */
export type AddCommand = (
  program: Command,
  terminal: Terminal,
  ended: (code: ExitCode) => void,
) => void;

/** What stands below the options of a command's help. @param examples - command lines, each without `$`. */
export function examplesText(examples: readonly string[], notes = ""): string {
  const title = examples.length === 1 ? "Example:" : "Examples:";
  const lines = examples.map((example) => `  $ ${example}`);
  return `\n${notes === "" ? "" : `${notes.trim()}\n\n`}${[title, ...lines].join("\n")}\n`;
}
