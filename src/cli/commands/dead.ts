/** `colloquy dead`: what was given up, until a person decides. */
import { type Command, Option } from "commander";
import { ColloquyError } from "../../errors.ts";
import type { SingleAddress } from "../../message/address.ts";
import type { DeadLetter } from "../../network/dead-letters.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricFlags, type FabricVisit, fabricOptions, visitFabric } from "../shell/fabric.ts";
import { readJson } from "../shell/json-argument.ts";
import { errorText, remark, writeTable } from "../shell/output.ts";
import type { Column } from "../shell/table.ts";
import { countText, timeText, valueText } from "../shell/text.ts";
import { each, mailbox, wholeNumber } from "../shell/values.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

type Ended = (code: ExitCode) => void;

export const addDead: AddCommand = (program, terminal, ended) => {
  const dead = program
    .command("dead")
    .summary("what was given up, until a person decides")
    .description("Commands that failed too often are kept as dead letters, until a person decides.")
    .addHelpText("after", examplesText(["colloquy dead list", "colloquy dead replay 17"]));
  addList(dead, terminal, ended);
  addShow(dead, terminal, ended);
  addReplay(dead, terminal, ended);
  addPurge(dead, terminal, ended);
};

interface ListFlags extends FabricFlags {
  readonly address?: SingleAddress;
  readonly limit?: number;
  readonly after?: number;
}

function addList(dead: Command, terminal: Terminal, ended: Ended): void {
  fabricOptions(dead.command("list"))
    .summary("the dead letters, oldest first")
    .description("List the dead letters, oldest first.")
    .addOption(new Option("--address <mailbox>", "only those of this one").argParser(mailbox))
    .addOption(
      new Option("--limit <number>", "so many at most").argParser(wholeNumber(1)).default(100),
    )
    .addOption(new Option("--after <id>", "those behind this one").argParser(wholeNumber(0)))
    .addHelpText(
      "after",
      examplesText(["colloquy dead list", "colloquy dead list --address type:mailer --json"]),
    )
    .action(async (flags: ListFlags) => {
      ended(await visitFabric(flags, terminal, (visit) => list(visit, flags, terminal)));
    });
}

async function list(
  { net, signal }: FabricVisit,
  { address: of, limit, after, json }: ListFlags,
  terminal: Terminal,
): Promise<ExitCode> {
  const rows: string[][] = [];
  const range = {
    signal,
    ...(of === undefined ? {} : { address: of }),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  };
  for await (const letter of net.dead.list(range)) {
    if (json) await writeLine(terminal.out, jsonLine(plain(letter)));
    else rows.push(rowOf(letter));
  }
  if (json) return exitCodes.done;
  if (rows.length === 0) remark("no dead letters", terminal);
  await writeTable(columns, rows, terminal);
  if (limit !== undefined && rows.length === limit) {
    remark(`the first ${countText(limit)}; --after ${rows.at(-1)?.[0]} goes on`, terminal);
  }
  return exitCodes.done;
}

const columns: readonly Column[] = [
  { title: "ID", align: "right" },
  { title: "MAILBOX", elastic: true },
  { title: "METHOD", elastic: true },
  { title: "STARTS", align: "right" },
  { title: "LAST FAILURE" },
  { title: "ERROR", elastic: true },
  { title: "INPUT", elastic: true },
];

function rowOf({ id, address: of, message, attempts, lastFailureMs, error, payload }: DeadLetter) {
  return [
    String(id),
    of,
    message?.name ?? "-",
    String(attempts.failures + 1),
    timeText(lastFailureMs),
    errorText(error),
    valueText(payload),
  ];
}

/** Bytes only where they are all there is. */
function plain({ frame, ...rest }: DeadLetter): object {
  return rest.message === undefined ? { ...rest, frame } : rest;
}

function addShow(dead: Command, terminal: Terminal, ended: Ended): void {
  fabricOptions(dead.command("show"))
    .summary("all that is known of one")
    .description("Show a dead letter: its input, and how each attempt failed.")
    .argument("<id>", "as the list shows it", wholeNumber(1))
    .addHelpText("after", examplesText(["colloquy dead show 17"]))
    .action(async (id: number, flags: FabricFlags) => {
      ended(
        await visitFabric(flags, terminal, async ({ net }) => {
          const letter = await net.dead.show(id);
          if (letter === undefined) throw notFound([id]);
          if (flags.json) await writeLine(terminal.out, jsonLine(plain(letter)));
          else for (const line of linesOf(letter)) await writeLine(terminal.out, line);
          return exitCodes.done;
        }),
      );
    });
}

function linesOf({ id, address: of, error, history, message, payload }: DeadLetter) {
  const attempts = history.map(
    (it) => `  ${it.attempt}. ${timeText(it.atMs)}  ${it.consumer}  ${errorText(it.error)}`,
  );
  return [
    `dead letter ${id} of ${of}`,
    `method   ${message?.name ?? "(cannot be decoded)"}`,
    `from     ${message?.from.agent ?? "-"}`,
    `sent     ${timeText(message?.createdMs ?? Number.NaN)}`,
    `message  ${message?.id ?? "-"}`,
    `input    ${valueText(payload)}`,
    `error    ${errorText(error)}`,
    ...(attempts.length === 0 ? [] : ["attempts", ...attempts]),
  ];
}

interface ReplayFlags extends FabricFlags {
  readonly all?: true;
  readonly address?: SingleAddress;
  readonly input?: string;
}

function addReplay(dead: Command, terminal: Terminal, ended: Ended): void {
  fabricOptions(dead.command("replay"))
    .summary("put them back, to be tried again")
    .description("Put dead letters back into their mailboxes, to be tried again from the first.")
    .argument("[id...]", "as the list shows them", each(wholeNumber(1)))
    .option("--all", "all there are, or all of --address")
    .addOption(new Option("--address <mailbox>", "with --all: of this one").argParser(mailbox))
    .option("--input <json>", "of a single one: with this input instead; JSON, @file or -")
    .addHelpText(
      "after",
      examplesText([
        "colloquy dead replay 17 18",
        "colloquy dead replay --all --address type:mailer",
        `colloquy dead replay 17 --input '{"to": "someone@example.org"}'`,
      ]),
    )
    .action(async (ids: readonly number[], flags: ReplayFlags) => {
      const input = await readJson(flags.input, terminal, "input");
      const work = async (visit: FabricVisit) => {
        const chosen = await chosenOf(visit, ids, flags);
        const [first] = chosen;
        if (flags.input === undefined || first === undefined) {
          const done = await inParts(chosen, (part) =>
            visit.net.dead.replay(part, { signal: visit.signal }),
          );
          return told("replayed", chosen, done, flags, terminal);
        }
        if (chosen.length > 1) throw wrongUsage("--input is for a single dead letter");
        const done = await visit.net.dead.replay(first, { payload: input, signal: visit.signal });
        return told("replayed", chosen, done, flags, terminal);
      };
      ended(await visitFabric(flags, terminal, work));
    });
}

function addPurge(dead: Command, terminal: Terminal, ended: Ended): void {
  fabricOptions(dead.command("purge"))
    .summary("delete them for good")
    .description("Delete dead letters for good.")
    .argument("[id...]", "as the list shows them", each(wholeNumber(1)))
    .option("--all", "all there are, or all of --address")
    .addOption(new Option("--address <mailbox>", "with --all: of this one").argParser(mailbox))
    .addHelpText(
      "after",
      examplesText(["colloquy dead purge 17", "colloquy dead purge --all --address type:mailer"]),
    )
    .action(async (ids: readonly number[], flags: ReplayFlags) => {
      const work = async (visit: FabricVisit) => {
        const chosen = await chosenOf(visit, ids, flags);
        const done = await inParts(chosen, (part) =>
          visit.net.dead.purge(part, { signal: visit.signal }),
        );
        return told("purged", chosen, done, flags, terminal);
      };
      ended(await visitFabric(flags, terminal, work));
    });
}

/** @throws INVALID_OPTION unless there are ids, or else --all, which may have --address. */
async function chosenOf(
  { net, signal }: FabricVisit,
  ids: readonly number[] = [],
  { all, address: of }: ReplayFlags,
): Promise<readonly number[]> {
  if ((all === true) === ids.length > 0) throw wrongUsage("give ids, or --all");
  if (all !== true && of !== undefined) throw wrongUsage("--address goes with --all");
  if (all !== true) return [...new Set(ids)];
  const found: number[] = [];
  const range = of === undefined ? { signal } : { signal, address: of };
  for await (const { id } of net.dead.list(range)) found.push(id);
  return found;
}

/** Dead letters handed over at a time. */
const partMax = 1_000;

async function inParts(
  ids: readonly number[],
  run: (part: readonly number[]) => Promise<number>,
): Promise<number> {
  let done = 0;
  for (let from = 0; from < ids.length; from += partMax) {
    done += await run(ids.slice(from, from + partMax));
  }
  return done;
}

/** @returns 1 when some of those that were named are not there. */
async function told(
  what: "replayed" | "purged",
  chosen: readonly number[],
  done: number,
  { json, all }: ReplayFlags,
  terminal: Terminal,
): Promise<ExitCode> {
  await writeLine(terminal.out, json ? jsonLine({ [what]: done }) : `${what} ${countText(done)}`);
  if (all === true || done === chosen.length) return exitCodes.done;
  remark(errorText(notFound(chosen)), terminal);
  return exitCodes.failed;
}

function notFound(ids: readonly number[]): ColloquyError {
  const message =
    ids.length === 1
      ? `there is no dead letter ${ids[0]}`
      : `not all of ${ids.join(", ")} are there`;
  return new ColloquyError("NOT_FOUND", message, { details: { ids } });
}

function wrongUsage(message: string): ColloquyError {
  return new ColloquyError("INVALID_OPTION", message, { details: { field: "id" } });
}
