/** `colloquy queues`: the mailboxes, and what waits in them. */
import { type Command, Option } from "commander";
import { ColloquyError } from "../../errors.ts";
import type { SingleAddress } from "../../message/address.ts";
import type { MailboxInfo } from "../../network/mailboxes.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricFlags, type FabricVisit, fabricOptions, visitFabric } from "../shell/fabric.ts";
import { remark, writeJsonLines, writeTable } from "../shell/output.ts";
import type { Column } from "../shell/table.ts";
import { countText, timeText, valueText } from "../shell/text.ts";
import { each, mailbox, wholeNumber } from "../shell/values.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

const notes = `
WAITING are all that are not final; HELD of them are in somebody's hands, DELAYED wait for their time,
and DEAD were given up: see "colloquy dead". RECEIVERS take work from it now. Of a mailbox with more
than 1,000 messages the first are looked at to count the delayed ones, and a + says that there may be
more.`;

/** Messages of a mailbox, and dead letters, that are looked at to count them. */
const lookedAtMax = 1_000;

export const addQueues: AddCommand = (program, terminal, ended) => {
  const queues = fabricOptions(program.command("queues"))
    .summary("the mailboxes, and what waits in them")
    .description("List the durable mailboxes; browse, declare or remove them.")
    .addHelpText(
      "after",
      examplesText(["colloquy queues", "colloquy queues --json --url embedded:./data"], notes),
    )
    .action(async (flags: FabricFlags) => {
      ended(await visitFabric(flags, terminal, (visit) => list(visit, flags, terminal)));
    });
  addBrowse(queues, terminal, ended);
  addDeclare(queues, terminal, ended);
  addRemove(queues, terminal, ended);
};

interface Depth extends MailboxInfo {
  readonly delayed: number;
  readonly dead: number;
  /** There may be more that are delayed, or dead. */
  readonly delayedMore: boolean;
  readonly deadMore: boolean;
}

async function list(visit: FabricVisit, flags: FabricFlags, terminal: Terminal): Promise<ExitCode> {
  const depths = await depthsOf(visit);
  if (flags.json) await writeJsonLines(depths, terminal);
  else if (depths.length === 0) remark("no mailboxes", terminal);
  else {
    const rows = depths.map((it) => [
      it.address,
      countText(it.waiting),
      countText(it.offered),
      countText(it.delayed) + (it.delayedMore ? "+" : ""),
      countText(it.dead) + (it.deadMore ? "+" : ""),
      countText(it.receivers),
    ]);
    await writeTable(columns, rows, terminal);
  }
  return exitCodes.done;
}

const columns: readonly Column[] = [
  { title: "MAILBOX", elastic: true },
  { title: "WAITING", align: "right" },
  { title: "HELD", align: "right" },
  { title: "DELAYED", align: "right" },
  { title: "DEAD", align: "right" },
  { title: "RECEIVERS", align: "right" },
];

async function depthsOf({ net, signal }: FabricVisit): Promise<readonly Depth[]> {
  const mailboxes = await net.mailboxes.list({ signal });
  const dead = new Map<string, number>();
  let letters = 0;
  for await (const letter of net.dead.list({ limit: lookedAtMax, signal })) {
    dead.set(letter.address, (dead.get(letter.address) ?? 0) + 1);
    letters++;
  }
  const depths: Depth[] = [];
  for (const found of mailboxes.toSorted(byAddress)) {
    let delayed = 0;
    if (found.waiting > found.offered) {
      const range = { limit: lookedAtMax, signal };
      for await (const { state } of net.mailboxes.browse(found.address as SingleAddress, range)) {
        if (state === "scheduled") delayed++;
      }
    }
    depths.push({
      ...found,
      delayed,
      dead: dead.get(found.address) ?? 0,
      delayedMore: found.waiting > lookedAtMax,
      deadMore: letters === lookedAtMax,
    });
  }
  return depths;
}

interface BrowseFlags extends FabricFlags {
  readonly limit?: number;
  readonly after?: number;
}

function addBrowse(queues: Command, terminal: Terminal, ended: (code: ExitCode) => void): void {
  fabricOptions(queues.command("browse"))
    .summary("what waits in one of them")
    .description("Show the messages of a mailbox, oldest first. Looking changes nothing.")
    .argument("<mailbox>", "agent:ID, type:TYPE or skill:CAPABILITY", mailbox)
    .addOption(
      new Option("--limit <number>", "so many at most").argParser(wholeNumber(1)).default(100),
    )
    .addOption(new Option("--after <position>", "those behind this one").argParser(wholeNumber(0)))
    .addHelpText(
      "after",
      examplesText([
        "colloquy queues browse agent:greeter",
        "colloquy queues browse type:mailer --limit 10 --after 4711 --json",
      ]),
    )
    .action(async (of: SingleAddress, _: unknown, command: Command) => {
      const flags = command.optsWithGlobals<BrowseFlags>();
      ended(await visitFabric(flags, terminal, (visit) => browse(visit, of, flags, terminal)));
    });
}

async function browse(
  { net, signal }: FabricVisit,
  of: SingleAddress,
  { limit, after, json }: BrowseFlags,
  terminal: Terminal,
): Promise<ExitCode> {
  await assertDeclared(net, of, signal);
  const rows: string[][] = [];
  const range = {
    signal,
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  };
  for await (const waiting of net.mailboxes.browse(of, range)) {
    if (json) {
      await writeLine(terminal.out, jsonLine(waiting));
      continue;
    }
    const { position, state, attempts, notBeforeMs, message, payload, receiptId } = waiting;
    const tried = attempts.failures + attempts.crashes;
    const until = notBeforeMs === undefined ? "" : ` until ${timeText(notBeforeMs)}`;
    rows.push([
      String(position),
      state + until,
      String(tried),
      message?.from.agent ?? "-",
      message?.name ?? "-",
      valueText(payload),
      receiptId ?? "-",
    ]);
  }
  if (!json && rows.length === 0) remark("nothing waits there", terminal);
  await writeTable(browseColumns, rows, terminal);
  return exitCodes.done;
}

const browseColumns: readonly Column[] = [
  { title: "POSITION", align: "right" },
  { title: "STATE" },
  { title: "FAILED", align: "right" },
  { title: "FROM", elastic: true },
  { title: "METHOD", elastic: true },
  { title: "INPUT", elastic: true },
  { title: "RECEIPT" },
];

function addDeclare(queues: Command, terminal: Terminal, ended: (code: ExitCode) => void): void {
  fabricOptions(queues.command("declare"))
    .summary("make mailboxes")
    .description("Make mailboxes, so that others can send to them before anybody works them.")
    .argument("<mailbox...>", "agent:ID, type:TYPE or skill:CAPABILITY", each(mailbox))
    .addHelpText("after", examplesText(["colloquy queues declare type:mailer agent:archive"]))
    .action(async (mailboxes: readonly SingleAddress[], _: unknown, command: Command) => {
      const flags = command.optsWithGlobals<FabricFlags>();
      ended(
        await visitFabric(flags, terminal, async ({ net, signal }) => {
          await net.mailboxes.declare(mailboxes, { signal });
          if (flags.json)
            await writeJsonLines(
              mailboxes.map((it) => ({ declared: it })),
              terminal,
            );
          return exitCodes.done;
        }),
      );
    });
}

interface RemoveFlags extends FabricFlags {
  readonly force?: true;
}

function addRemove(queues: Command, terminal: Terminal, ended: (code: ExitCode) => void): void {
  fabricOptions(queues.command("remove"))
    .summary("remove mailboxes")
    .description("Remove mailboxes. One in which something waits is left, unless it is forced.")
    .argument("<mailbox...>", "agent:ID, type:TYPE or skill:CAPABILITY", each(mailbox))
    .option("--force", "with everything that waits in them")
    .addHelpText(
      "after",
      examplesText([
        "colloquy queues remove type:former",
        "colloquy queues remove --force agent:a",
      ]),
    )
    .action(async (mailboxes: readonly SingleAddress[], _: unknown, command: Command) => {
      const flags = command.optsWithGlobals<RemoveFlags>();
      ended(
        await visitFabric(flags, terminal, async ({ net, signal }) => {
          const waiting = await Promise.all(mailboxes.map((it) => assertDeclared(net, it, signal)));
          const full = mailboxes.filter((_it, index) => (waiting[index] ?? 0) > 0);
          if (full.length > 0 && flags.force !== true) {
            const message = `messages wait in ${full.join(", ")}: --force removes them, too`;
            throw new ColloquyError("CONFLICT", message, { details: { mailboxes: full } });
          }
          await net.mailboxes.remove(mailboxes, { signal });
          if (flags.json)
            await writeJsonLines(
              mailboxes.map((it) => ({ removed: it })),
              terminal,
            );
          return exitCodes.done;
        }),
      );
    });
}

/** @returns how many wait there. @throws NOT_FOUND */
async function assertDeclared(
  { mailboxes }: FabricVisit["net"],
  name: SingleAddress,
  signal: AbortSignal,
): Promise<number> {
  const found = (await mailboxes.list({ signal })).find((it) => it.address === name);
  if (found !== undefined) return found.waiting;
  throw new ColloquyError("NOT_FOUND", `there is no mailbox ${name}`, {
    details: { address: name },
  });
}

function byAddress(a: MailboxInfo, b: MailboxInfo): number {
  return a.address < b.address ? -1 : 1;
}
