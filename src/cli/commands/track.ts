/** `colloquy track`: what has become of a command. */

import { Option } from "commander";
import type { Receipt } from "../../exchange/commands/receipt.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricFlags, type FabricVisit, fabricOptions, visitFabric } from "../shell/fabric.ts";
import { readJson } from "../shell/json-argument.ts";
import { follow, progressText, writeOutcome, writeWithdrawal } from "../shell/outcomes.ts";
import { errorText, remark } from "../shell/output.ts";
import { personToAsk } from "../shell/questions.ts";
import { timeText } from "../shell/text.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags extends FabricFlags {
  readonly follow?: true;
  readonly cancel?: true;
  readonly rescind?: true;
  readonly reason?: string;
  readonly answer?: string;
}

const notes = `
Exit code 0: it is done, or under way; 1: it ended otherwise, or nothing is known of it. With --follow
the command ends when the message does. --cancel gives it up whatever has become of it, --rescind only
if no handler has ever started it; 1 means that it was too late.`;

export const addTrack: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("track"))
    .summary("what has become of a command")
    .description(
      "Tell the state of a command: how often it was tried, how that failed, its outcome.",
    )
    .argument("<id>", `of its receipt, as "colloquy send" prints it`)
    .option("--follow", "tell each change, until the end")
    .addOption(new Option("--cancel", "give it up").conflicts(["rescind", "answer", "follow"]))
    .addOption(
      new Option("--rescind", "take it back unless it was started").conflicts(["answer", "follow"]),
    )
    .option("--reason <text>", "of a cancel or rescind, for whoever asks later")
    .addOption(
      new Option("--answer <json>", "answer what its handler asks: JSON, @file or -").conflicts(
        "follow",
      ),
    )
    .addHelpText(
      "after",
      examplesText(
        [
          "colloquy track 1,01JD3ZQ8V6X9M2T4B7K5N0P1RC,agent:greeter",
          "colloquy track 1,01JD3ZQ8V6X9M2T4B7K5N0P1RC,agent:greeter --follow --timeout 1m",
          `colloquy track 1,01JD3ZQ8V6X9M2T4B7K5N0P1RC,agent:greeter --rescind --reason "a typo"`,
        ],
        notes,
      ),
    )
    .action(async (id: string, flags: Flags) => {
      const answer = await readJson(flags.answer, terminal, "answer");
      const work = async (visit: FabricVisit) => {
        const { signal } = visit;
        const receipt = visit.net.track(id);
        if (flags.cancel || flags.rescind) return withdraw(receipt, visit, flags, terminal);
        if (flags.answer !== undefined) {
          const outcome = await receipt.answer(answer, { signal });
          return writeWithdrawal(id, outcome, flags.json === true, terminal);
        }
        return flags.follow
          ? followIt(receipt, visit, flags, terminal)
          : look(receipt, visit, flags, terminal);
      };
      ended(await visitFabric(flags, terminal, work));
    });
};

async function look(
  receipt: Receipt,
  visit: FabricVisit,
  flags: Flags,
  terminal: Terminal,
): Promise<ExitCode> {
  const { id } = receipt;
  const state = await receipt.state({ signal: visit.signal });
  const failures = state.state === "dead" ? await failuresOf(receipt, visit) : undefined;
  if ("attempts" in state) {
    const text = flags.json ? jsonLine({ id, ...state }) : progressText(state);
    await writeLine(terminal.out, text);
    return exitCodes.done;
  }
  if (flags.json && failures !== undefined) {
    await writeLine(terminal.out, jsonLine({ id, ...state, ...failures }));
    return exitCodes.failed;
  }
  const code = await writeOutcome(id, state, flags.json === true, terminal);
  for (const { attempt, atMs, consumer, error } of failures?.history ?? []) {
    const text = `  attempt ${attempt}, ${timeText(atMs)}, ${consumer}: ${errorText(error)}`;
    await writeLine(terminal.out, text);
  }
  if (failures !== undefined) {
    remark(
      `it is dead letter ${failures.deadLetter}: colloquy dead replay ${failures.deadLetter}`,
      terminal,
    );
  }
  return code;
}

/** How its attempts failed is kept with its dead letter, as long as that is there. */
async function failuresOf(receipt: Receipt, { net, signal }: FabricVisit) {
  for await (const { id, message, history } of net.dead.list({ signal })) {
    if (message?.id === receipt.messageId) return { deadLetter: id, history };
  }
  return undefined;
}

async function followIt(
  receipt: Receipt,
  { signal }: FabricVisit,
  flags: Flags,
  terminal: Terminal,
): Promise<ExitCode> {
  const { id } = receipt;
  const outcome = await follow(receipt, {
    terminal,
    signal,
    ask: personToAsk(terminal, false),
    onProgress: (progress) =>
      writeLine(terminal.out, flags.json ? jsonLine({ id, ...progress }) : progressText(progress)),
  });
  return writeOutcome(id, outcome, flags.json === true, terminal);
}

async function withdraw(
  receipt: Receipt,
  { signal }: FabricVisit,
  flags: Flags,
  terminal: Terminal,
): Promise<ExitCode> {
  const options = { signal, ...(flags.reason === undefined ? {} : { reason: flags.reason }) };
  const outcome = flags.cancel ? await receipt.cancel(options) : await receipt.rescind(options);
  return writeWithdrawal(receipt.id, outcome, flags.json === true, terminal);
}
