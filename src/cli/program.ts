/**
 * The command line: one file in `commands/` for each command, thin over the public surface.
 *
 * A command writes its results to standard output and everything about them to standard error, takes
 * `--json`, and returns an exit code: 0 done, 1 failed, 2 wrong usage, 3 timed out.
 */
import { Command, CommanderError } from "commander";
import { type ErrorInfo, errorInfo } from "../errors.ts";
import { packageVersion } from "../runtime/version.ts";
import { addAgents } from "./commands/agents.ts";
import { addAttach } from "./commands/attach.ts";
import { addBench } from "./commands/bench.ts";
import { addCancel } from "./commands/cancel.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDead } from "./commands/dead.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addExport } from "./commands/export.ts";
import { addPublish } from "./commands/publish.ts";
import { addQueues } from "./commands/queues.ts";
import { addRequest } from "./commands/request.ts";
import { addRun } from "./commands/run.ts";
import { addSend } from "./commands/send.ts";
import { addServe } from "./commands/serve.ts";
import { addStream } from "./commands/stream.ts";
import { addSubscribe } from "./commands/subscribe.ts";
import { addTop } from "./commands/top.ts";
import { addTrack } from "./commands/track.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-codes.ts";
import type { AddCommand } from "./shell/command.ts";
import { errorText } from "./shell/output.ts";
import { jsonLine, type Terminal } from "./terminal.ts";

/** In the order in which help shows them. */
const commands: readonly AddCommand[] = [
  addServe,
  addRun,
  addAgents,
  addTop,
  addRequest,
  addStream,
  addAttach,
  addCancel,
  addSend,
  addTrack,
  addPublish,
  addSubscribe,
  addQueues,
  addDead,
  addBench,
  addDoctor,
  addExport,
  addCompletion,
];

/** All commands. @param ended - is told the exit code of the one that ran. */
export function buildProgram(terminal: Terminal, ended: (code: ExitCode) => void): Command {
  const program = new Command("colloquy")
    .description("The communication fabric for agents, from a shell.")
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.out.write(text),
      writeErr: (text) => void terminal.err.write(text),
    });
  for (const add of commands) add(program, terminal, ended);
  inherit(program, "colloquy");
  return program;
}

/** Runs one command. @param args - without the program's own name. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = exitCodes.done;
  const program = buildProgram(terminal, (ended) => {
    code = ended;
  });
  const json = args.includes("--json");
  const tell = (info: ErrorInfo) =>
    terminal.err.write(`${json ? jsonLine({ error: info }) : errorText(info)}\n`);
  if (json) inSilence(program);
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      tell(errorInfo(error));
      return exitCodeOf(error);
    }
    if (error.exitCode === 0) return exitCodes.done;
    const message = error.message.replace(/^error: /, "");
    if (json) tell({ code: "INVALID_OPTION", message, retryable: false });
    return exitCodes.wrongUsage;
  }
}

function inherit(command: Command, path: string): void {
  command.showHelpAfterError(`(${path} --help says more)`);
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inherit(child, `${path} ${child.name()}`);
  }
}

/** What is wrong is told by whoever runs the command, and not for people. */
function inSilence(command: Command): void {
  command.showHelpAfterError(false).configureOutput({ outputError: () => {} });
  for (const child of command.commands) inSilence(child);
}
