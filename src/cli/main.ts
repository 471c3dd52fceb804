#!/usr/bin/env node
import { readFileSync } from "node:fs";

const { runProgram } = await import("./program.ts").catch(tellOldNode);

process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  // Where whoever read the results has gone, nobody is left to be told.
  if (code !== "EPIPE")
    process.stderr.write(`colloquy: the results cannot be written: ${message}\n`);
  process.exit(1);
});
// Who does not want the remarks may want the results.
process.stderr.on("error", () => {});

// The first Ctrl-C lets the command leave in order; a second one does not wait for that.
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => ending.abort(new Error("interrupted")));
}

const exitCode = await runProgram(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  input: process.stdin,
  signal: ending.signal,
});
// The command has left in order. What is still open keeps nobody waiting: a timer of a module that was run, a
// terminal that was read from, a link to a hub that took it and never answered.
await Promise.all([process.stdout, process.stderr].map(written));
process.exit(exitCode);

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}

/** Without the SQLite of a newer Node nothing of it can be loaded, and Node's own error does not say so. */
function tellOldNode(error: NodeJS.ErrnoException): never {
  if (error.code !== "ERR_UNKNOWN_BUILTIN_MODULE") throw error;
  const { engines } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  ) as { readonly engines: { readonly node: string } };
  process.stderr.write(`Colloquy needs Node ${engines.node}; this is ${process.versions.node}.\n`);
  process.exit(1);
}
