/** `colloquy export`: the healthy content of a store, damaged or not, as JSON lines. */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import type { Command } from "commander";
import { ColloquyError } from "../../errors.ts";
import {
  type ExportedRecord,
  type ExportSummary,
  exportStore,
} from "../../network/export-store.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags {
  readonly out?: string;
  readonly json?: true;
}

const help = `
Each line is one JSON object with a "kind": message, dead, entry or log; bytes are {"base64": ...}.
What is damaged is left out, and told at the end as lines of the kind damage.
No file of the store is changed. Nobody may have it open.

Exit codes: 0 everything was healthy and is written; 1 it failed, or something was damaged
(the healthy rest is written); 2 wrong usage.

Example:
  $ colloquy export .colloquy --out rescued.jsonl
`;

export function addExport(
  program: Command,
  terminal: Terminal,
  ended: (code: ExitCode) => void,
): void {
  program
    .command("export")
    .summary("write what is healthy in a store as JSON lines")
    .description("Write every healthy message, dead letter, entry and log entry of a store.")
    .argument("<directory>", "of the store, like .colloquy")
    .option("--out <file>", "where the lines go, a new file; else standard output")
    .option("--json", "tell what was found as JSON as well")
    .addHelpText("after", help)
    .action(async (directory: string, flags: Flags) => {
      ended(await runExport(directory, flags, terminal));
    });
}

async function runExport(directory: string, flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const records = exportStore(directory);
  try {
    // The store is looked at before a file is made for what is in it.
    const first = records.next();
    const lines = flags.out === undefined ? terminal.out : await newFile(flags.out);
    const summary = await writeRecords(first, records, lines);
    if (lines !== terminal.out) {
      lines.end();
      await once(lines, "finish");
    }
    const about = lines === terminal.out ? terminal.err : terminal.out;
    await writeLine(about, flags.json === true ? jsonLine(summary) : textOf(summary));
    return summary.damages.length === 0 ? exitCodes.done : exitCodes.failed;
  } finally {
    records.return(noSummary);
  }
}

type Records = ReturnType<typeof exportStore>;

async function writeRecords(
  first: ReturnType<Records["next"]>,
  records: Records,
  lines: Writable,
): Promise<ExportSummary> {
  let next = first;
  for (; next.done !== true; next = records.next()) {
    await writeLine(lines, jsonLine(shown(next.value)));
  }
  for (const damage of next.value.damages) {
    await writeLine(lines, jsonLine({ kind: "damage", ...damage }));
  }
  return next.value;
}

const noSummary: ExportSummary = {
  messages: 0,
  deadLetters: 0,
  entries: 0,
  logEntries: 0,
  damages: [],
};

/** Never one that is there: it may be the last export that worked. */
async function newFile(path: string): Promise<Writable> {
  const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
  try {
    await once(file, "open");
    return file;
  } catch (cause) {
    const message = `--out: ${cause instanceof Error ? cause.message : path}`;
    throw new ColloquyError("INVALID_OPTION", message, { cause, details: { field: "out", path } });
  }
}

/** Bytes only where they are all there is. */
function shown(record: ExportedRecord): object {
  switch (record.kind) {
    case "message":
    case "dead": {
      const { frame, ...rest } = record;
      return rest.envelope === undefined ? { ...rest, frame } : rest;
    }
    case "entry": {
      const { value, ...rest } = record;
      return rest.content === undefined ? { ...rest, value } : rest;
    }
    case "log": {
      const { data, ...rest } = record;
      return rest.content === undefined ? { ...rest, data } : rest;
    }
  }
}

function textOf({ messages, deadLetters, entries, logEntries, damages }: ExportSummary): string {
  const found = `${messages} messages, ${deadLetters} dead letters, ${entries} entries, ${logEntries} log entries`;
  if (damages.length === 0) return `${found}; nothing was damaged`;
  const told = damages.map(({ what, details }) => `  ${what}: ${JSON.stringify(details)}`);
  return [`${found}; damaged and left out:`, ...told].join("\n");
}
