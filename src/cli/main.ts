#!/usr/bin/env node
import { runProgram } from "./program.ts";

// Whoever read the results has gone, and nobody is left to be told.
process.stdout.on("error", () => process.exit(1));

// The first Ctrl-C lets the command leave in order; a second one does not wait for that.
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => ending.abort(new Error("interrupted")));
}

process.exitCode = await runProgram(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  input: process.stdin,
  signal: ending.signal,
});
// A terminal that was read from keeps the process otherwise.
process.stdin.unref?.();
