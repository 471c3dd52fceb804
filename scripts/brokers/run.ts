import { spawn } from "node:child_process";

export type Say = (text: string) => void;

export interface RunOptions {
  /** Told the command before it runs. */
  readonly say?: Say;
  readonly directory?: string;
  /** Beside what this process has. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * @returns what the program has printed.
 * @throws Error with the last lines that it has printed, when it ends with anything but 0.
 */
export async function output(
  command: readonly string[],
  { say, directory, environment }: RunOptions = {},
): Promise<string> {
  say?.(command.join(" "));
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: directory,
    env: { ...process.env, ...environment },
  });
  let printed = "";
  let complaints = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints += text;
  });
  const code = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => resolve(exitCode ?? signal));
  });
  if (code === 0) return printed;
  const last = (complaints || printed).trimEnd().split("\n").slice(-linesShown).join("\n");
  throw new Error(`${command.join(" ")} ended with ${code}\n${last}`);
}

export async function run(command: readonly string[], options: RunOptions = {}): Promise<void> {
  await output(command, options);
}

const linesShown = 5;
