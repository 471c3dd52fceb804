/** `colloquy run`: starts the agents of some modules, and keeps them until it is ended. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ColloquyError, errorInfo } from "../../errors.ts";
import type { Network } from "../../network/network.ts";
import { onAbort, withAbort } from "../../runtime/abort.ts";
import { keepAlive } from "../../runtime/keep-alive.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { endOf, type HubFlags, hubOptions, joinFabric, spaceOption } from "../shell/fabric.ts";
import { errorText, remark } from "../shell/output.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags extends HubFlags {
  readonly space?: string;
  readonly watch?: true;
  readonly name?: string;
}

/** What a module exports by default. */
type Start = (net: Network) => unknown;

const notes = `
A module exports by default a function that is given the network, and makes its agents there:

  export default async function (net) {
    const greeter = await net.agent("greeter");
    greeter.handle("greet", (name) => \`Hello, \${name}!\`);
  }

TypeScript is run as it is, as far as its types can be erased. When all functions have returned, one line
is written: "ready", then the agents. Ctrl-C and SIGTERM let running handlers end, and leave.
With --watch the agents are started again whenever a file changes that a module imports.

Exit codes: 0 ended in order; 1 a module failed; 2 wrong usage.`;

export const addRun: AddCommand = (program, terminal, ended) => {
  spaceOption(hubOptions(program.command("run")))
    .summary("start the agents of modules, and keep them")
    .description("Join a fabric, start the agents of some modules, and keep them until ended.")
    .argument("<module...>", "files that export a function by default")
    .option("--watch", "start again when a file changes that they import")
    .option("--name <name>", "of this process, for people (default: colloquy)")
    .addHelpText(
      "after",
      examplesText(
        ["colloquy run agents.ts", "colloquy run --watch --url tcp://hub.example agents.ts"],
        notes,
      ),
    )
    .action(async (modules: readonly string[], flags: Flags) => {
      ended(await (flags.watch ? watch(terminal) : run(modules, flags, terminal)));
    });
};

async function run(
  modules: readonly string[],
  flags: Flags,
  terminal: Terminal,
): Promise<ExitCode> {
  const { signal = new AbortController().signal } = terminal;
  const name = flags.name === undefined ? {} : { name: flags.name };
  const starts = modules.map((module) => [module, fileOf(module)] as const);
  const net = await joinFabric(flags, terminal, signal, { create: true, ...name });
  const letGo = keepAlive();
  try {
    for (const [module, file] of starts) await start(module, file, net, flags, terminal);
    const here = net.agents().filter(({ instance }) => instance === net.instance);
    const agents = here.map(({ id }) => id).sort();
    const ready = flags.json
      ? jsonLine({ ready: true, process: process.pid, agents })
      : ["ready", ...agents].join(" ");
    await writeLine(terminal.out, ready);
    await withAbort(endOf(net), signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    return exitCodes.done;
  } finally {
    letGo();
    await net.close();
  }
}

/** @throws INVALID_OPTION where there is none. */
function fileOf(module: string): string {
  const file = resolve(module);
  if (existsSync(file)) return file;
  throw wrongModule(module, "there is no such file");
}

/** @throws INVALID_OPTION for a module that is none to run, HANDLER_FAILED for one that fails. */
async function start(
  module: string,
  file: string,
  net: Network,
  { json }: Flags,
  terminal: Terminal,
): Promise<void> {
  let begin: unknown;
  try {
    begin = ((await import(pathToFileURL(file).href)) as { readonly default?: unknown }).default;
    if (typeof begin === "function") await (begin as Start)(net);
  } catch (cause) {
    // Whoever wrote it wants to know where.
    if (!json && cause instanceof Error) remark(cause.stack ?? "", terminal);
    const why = cause instanceof ColloquyError ? errorText(errorInfo(cause)) : messageOf(cause);
    throw new ColloquyError("HANDLER_FAILED", `${module}: ${why}`, { cause });
  }
  if (typeof begin === "function") return;
  throw wrongModule(module, "it exports no function by default; see colloquy run --help");
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function wrongModule(module: string, why: string): ColloquyError {
  const details = { field: "module", value: module };
  return new ColloquyError("INVALID_OPTION", `${module}: ${why}`, { details });
}

/** The same command without `--watch`, in a process that Node starts again when what it imported changes. */
async function watch(terminal: Terminal): Promise<ExitCode> {
  const main = fileURLToPath(
    new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url),
  );
  const args = process.argv.slice(2).filter((argument) => argument !== "--watch");
  const flags = [...process.execArgv, "--watch", "--watch-preserve-output"];
  const child = spawn(process.execPath, [...flags, main, ...args], { stdio: "inherit" });
  const forget = onAbort(terminal.signal, () => child.kill("SIGTERM"));
  const [code] = (await once(child, "exit")) as [number | null];
  forget();
  if (terminal.signal?.aborted === true || code === 0) return exitCodes.done;
  remark(`the watched process has ended with code ${code}`, terminal);
  return exitCodes.failed;
}
