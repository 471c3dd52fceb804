/** The program run in this process, as a shell would run it: what it wrote, and how it ended. */
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type { ExitCode } from "../../../src/cli/exit-codes.ts";
import { runProgram } from "../../../src/cli/program.ts";

export interface ShellRun {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ShellOptions {
  /** What standard input holds; for a terminal, what is typed there. */
  readonly input?: string;
  /** Standard input is a person's terminal. */
  readonly person?: boolean;
  /** What is typed there has an end: Ctrl-D. */
  readonly inputEnds?: boolean;
  /** Standard output is a terminal of this many columns. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
  /** Told what was written to standard error so far. */
  readonly onError?: (text: string) => unknown;
  readonly onOutput?: (text: string) => unknown;
}

export async function shell(
  args: readonly string[],
  options: ShellOptions = {},
): Promise<ShellRun> {
  const {
    input = "",
    person = false,
    inputEnds = !person,
    columns,
    signal,
    onError,
    onOutput,
  } = options;
  const out = new PassThrough();
  const err = new PassThrough();
  const from = new PassThrough();
  if (columns !== undefined) Object.assign(out, { isTTY: true, columns });
  Object.assign(from, { isTTY: person });
  if (inputEnds) from.end(input);
  else from.write(input);
  tellSoFar(err, onError);
  tellSoFar(out, onOutput);
  const wrote = Promise.all([text(out), text(err)]);
  const exitCode = await runProgram(args, {
    out,
    err,
    input: from,
    ...(signal === undefined ? {} : { signal }),
  });
  out.end();
  err.end();
  const [stdout, stderr] = await wrote;
  return { exitCode, stdout, stderr };
}

function tellSoFar(stream: PassThrough, tell: ((text: string) => unknown) | undefined): void {
  let soFar = "";
  stream.on("data", (chunk: Buffer) => {
    soFar += chunk.toString();
    tell?.(soFar);
  });
}

/** The JSON lines of an output. */
export function jsonLines(stdout: string): readonly unknown[] {
  const lines = stdout.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as unknown);
}
