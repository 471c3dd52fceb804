/**
 * The command line: one file in `commands/` for each command, thin over the public surface.
 *
 * A command writes its results to standard output and everything about them to standard error, takes
 * `--json`, and returns an exit code: 0 done, 1 failed, 2 wrong usage, 3 timed out.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { errorInfo } from "../errors.ts";
import { addExport } from "./commands/export.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-codes.ts";
import { jsonLine, type Terminal } from "./terminal.ts";

/** Adds a command; its action hands its exit code to `ended`. */
export type AddCommand = (
  program: Command,
  terminal: Terminal,
  ended: (code: ExitCode) => void,
) => void;

const commands: readonly AddCommand[] = [addExport];

/** Runs one command. @param args - without the program's own name. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = exitCodes.done;
  const program = new Command("colloquy")
    .description("The communication fabric for agents, from a shell.")
    .version(version())
    .exitOverride()
    .showHelpAfterError("(colloquy --help says more)")
    .configureOutput({
      writeOut: (text) => void terminal.out.write(text),
      writeErr: (text) => void terminal.err.write(text),
    });
  for (const add of commands) {
    add(program, terminal, (ended) => {
      code = ended;
    });
  }
  for (const command of program.commands) command.copyInheritedSettings(program);
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUsage;
    }
    const info = errorInfo(error);
    const text = args.includes("--json")
      ? jsonLine({ error: info })
      : `${info.code}: ${info.message}`;
    terminal.err.write(`${text}\n`);
    return exitCodeOf(error);
  }
}

/** The package's, two folders up from the sources as from what is built of them. */
function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}
