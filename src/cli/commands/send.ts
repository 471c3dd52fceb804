/** `colloquy send`: puts a command into a mailbox, and with `--wait` tells what came of it. */
import { Option } from "commander";
import type { Agent } from "../../agent/agent.ts";
import type { Refusal } from "../../agent/multicast.ts";
import type { Receipt } from "../../exchange/commands/receipt.ts";
import type { SendOptions } from "../../exchange/options.ts";
import type { Address } from "../../message/address.ts";
import { systemClock } from "../../runtime/clock.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type MessageFlags, messageArguments } from "../shell/asking.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricVisit, fabricOptions, visitFabric, visitor } from "../shell/fabric.ts";
import { readJson } from "../shell/json-argument.ts";
import { follow, progressText, writeOutcome } from "../shell/outcomes.ts";
import { errorText, remark } from "../shell/output.ts";
import { personToAsk } from "../shell/questions.ts";
import { duration, moment } from "../shell/values.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags extends MessageFlags {
  readonly wait?: true;
  readonly guarantee?: NonNullable<SendOptions["guarantee"]>;
  readonly priority?: NonNullable<SendOptions["priority"]>;
  readonly durability?: NonNullable<SendOptions["durability"]>;
  readonly key?: string;
  readonly ttl?: number;
  readonly deliverAt?: number;
  readonly id?: string;
}

const notes = `
Prints the id of the receipt, which "colloquy track" takes from any process, after any restart. With
--wait, what came of the command: exit code 0 when it is done, 1 when it ended otherwise. The command
goes on when the wait ends. all:TYPE sends to each agent of a type that is there.`;

export const addSend: AddCommand = (program, terminal, ended) => {
  const command = fabricOptions(program.command("send"));
  messageArguments(
    command,
    "agent:ID, type:TYPE, skill:CAPABILITY or all:TYPE",
    "what is to be done",
  )
    .summary("put a command into a mailbox")
    .description("Put a command into a mailbox, where it waits until somebody has done it.")
    .option("--wait", "wait for the outcome, and print it")
    .addOption(
      new Option("--guarantee <name>", "how often it may be done").choices([
        "at-most-once",
        "at-least-once",
        "exactly-once",
      ]),
    )
    .option("--id <id>", "with exactly-once: a second send of this id is a duplicate")
    .addOption(
      new Option("--priority <name>", "before or behind others").choices([
        "critical",
        "high",
        "normal",
        "low",
      ]),
    )
    .addOption(
      new Option("--durability <name>", "what it must survive, or be refused").choices([
        "none",
        "process",
        "os",
        "replicated",
        "replicated+fsync",
      ]),
    )
    .option("--key <key>", "one after the other with others of this key")
    .addOption(new Option("--ttl <duration>", "not started later than this").argParser(duration))
    .addOption(
      new Option("--deliver-at <time>", "not before; a time, or a duration from now").argParser(
        moment(() => systemClock.nowMs()),
      ),
    )
    .addHelpText(
      "after",
      examplesText(
        [
          `colloquy send agent:greeter remember '"world"'`,
          "colloquy send type:mailer SEND_EMAIL @mail.json --guarantee exactly-once --id welcome-17",
          `colloquy send type:worker RUN '{"job": 7}' --deliver-at 90s --priority low`,
          "colloquy send agent:greeter remember --wait --timeout 1m --json",
        ],
        notes,
      ),
    )
    .action(async (to: Address, method: string, json: string | undefined, flags: Flags) => {
      const payload = await readJson(json, terminal);
      const work = async (visit: FabricVisit) => {
        const agent = await visitor(visit.net, flags.as);
        const found = await receiptsOf(agent, to, method, payload, { ...optionsOf(flags) });
        const inputTaken = json === "-";
        return flags.wait
          ? await waitFor(found, visit, flags, terminal, inputTaken)
          : await tell(found, flags, terminal);
      };
      ended(await visitFabric(flags, terminal, work));
    });
};

interface Found {
  readonly receipts: readonly Receipt[];
  readonly refused: readonly Refusal[];
}

async function receiptsOf(
  agent: Agent,
  to: Address,
  method: string,
  payload: unknown,
  options: SendOptions,
): Promise<Found> {
  if (to.startsWith("all:")) return agent.send(to as `all:${string}`, method, payload, options);
  const one = await agent.send(to as `agent:${string}`, method, payload, options);
  return { receipts: [one], refused: [] };
}

async function tell({ receipts, refused }: Found, flags: Flags, terminal: Terminal) {
  for (const { id, messageId, duplicate, durability } of receipts) {
    const line = flags.json ? jsonLine({ id, messageId, duplicate, durability }) : id;
    await writeLine(terminal.out, line);
    if (duplicate && !flags.json)
      remark("it had been sent before, and was not sent again", terminal);
  }
  return tellRefused(refused, flags, terminal);
}

async function waitFor(
  { receipts, refused }: Found,
  { signal }: FabricVisit,
  flags: Flags,
  terminal: Terminal,
  inputTaken: boolean,
): Promise<ExitCode> {
  const ask = receipts.length === 1 ? personToAsk(terminal, inputTaken) : undefined;
  const codes = await Promise.all(
    receipts.map(async (receipt) => {
      const outcome = await follow(receipt, {
        terminal,
        signal,
        ask,
        onProgress: (progress) => remark(`… ${progressText(progress)}`, terminal),
      });
      return writeOutcome(receipt.id, outcome, flags.json === true, terminal);
    }),
  );
  const code = await tellRefused(refused, flags, terminal);
  return codes.find((it) => it !== exitCodes.done) ?? code;
}

async function tellRefused(refused: readonly Refusal[], flags: Flags, terminal: Terminal) {
  for (const { to, error } of refused) {
    const info = error.toJSON();
    if (flags.json) await writeLine(terminal.out, jsonLine({ to, error: info }));
    else remark(`${to}: ${errorText(info)}`, terminal);
  }
  return refused.length === 0 ? exitCodes.done : exitCodes.failed;
}

function optionsOf({ guarantee, priority, durability, key, ttl, deliverAt, id }: Flags) {
  const options: SendOptions = {
    ...(guarantee === undefined ? {} : { guarantee }),
    ...(priority === undefined ? {} : { priority }),
    ...(durability === undefined ? {} : { durability }),
    ...(key === undefined ? {} : { key }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
    ...(deliverAt === undefined ? {} : { deliverAt }),
    ...(id === undefined ? {} : { id }),
  };
  return options;
}
