#!/usr/bin/env node
import { runProgram } from "./program.ts";

// Whoever read the results has gone, and nobody is left to be told.
process.stdout.on("error", () => process.exit(1));

process.exitCode = await runProgram(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
});
