/** `colloquy stream`: asks one agent for an answer in chunks and prints them as they come. */
import { Option } from "commander";
import type { StreamOptions } from "../../exchange/options.ts";
import type { Address } from "../../message/address.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import {
  type FabricFlags,
  type FabricVisit,
  fabricOptions,
  visitFabric,
  visitor,
} from "../shell/fabric.ts";
import { readJson } from "../shell/json-argument.ts";
import { remark, writeValue } from "../shell/output.ts";
import { personToAsk } from "../shell/questions.ts";
import { harmless, valueText } from "../shell/text.ts";
import { address, duration, wholeNumber } from "../shell/values.ts";
import { isTerminal, jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags extends FabricFlags {
  readonly as?: string;
  readonly deadline?: number;
  readonly window?: number;
  readonly raw?: true;
}

const notes = `
Each chunk is a line, and so is the last value that the handler returns, if any. With --raw texts are
written one after the other, as a model speaks. With --json the lines are {"chunk": ...}, and at the
end {"result": ...}. Ctrl-C cancels the work.`;

export const addStream: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("stream"))
    .summary("ask one agent for an answer in chunks")
    .description("Ask one agent for an answer in chunks, and print each as it comes.")
    .argument("<to>", "agent:ID, type:TYPE or skill:CAPABILITY", address)
    .argument("<method>", "what is asked")
    .argument("[json]", "the input: JSON, @file, or - for standard input")
    .option("--as <id>", "ask as the agent of this id")
    .option("--raw", "texts without a line break after each")
    .addOption(new Option("--deadline <duration>", "hard limit").argParser(duration))
    .addOption(
      new Option("--window <chunks>", "how far the handler may run ahead").argParser(
        wholeNumber(1),
      ),
    )
    .addHelpText(
      "after",
      examplesText(
        [
          `colloquy stream agent:writer tell '["once", "upon", "a", "time"]'`,
          "colloquy stream skill:risk.narrate risk.narrate @symbol.json --raw",
        ],
        notes,
      ),
    )
    .action(async (to: Address, method: string, json: string | undefined, flags: Flags) => {
      const input = await readJson(json, terminal);
      const work = (visit: FabricVisit) =>
        stream(visit, { to, method, input, inputTaken: json === "-" }, flags, terminal);
      ended(await visitFabric(flags, terminal, work, { ownTimeout: true }));
    });
};

interface Question {
  readonly to: Address;
  readonly method: string;
  readonly input: unknown;
  readonly inputTaken: boolean;
}

async function stream(
  { net, signal }: FabricVisit,
  { to, method, input, inputTaken }: Question,
  flags: Flags,
  terminal: Terminal,
): Promise<ExitCode> {
  const agent = await visitor(net, flags.as);
  const options = { ...optionsOf(flags, terminal, inputTaken), signal };
  const reply = agent.stream(to, method, input, options);
  const { out } = terminal;
  for await (const chunk of reply) {
    if (flags.json) await writeLine(out, jsonLine({ chunk }));
    else if (flags.raw && typeof chunk === "string") {
      out.write(isTerminal(out) ? harmless(chunk) : chunk);
    } else await writeValue(chunk, false, terminal);
  }
  const result = await reply.result;
  if (flags.raw && !flags.json) out.write("\n");
  if (flags.json) await writeLine(out, jsonLine({ result: result ?? null }));
  else await writeValue(result, false, terminal);
  return exitCodes.done;
}

function optionsOf(flags: Flags, terminal: Terminal, inputTaken: boolean): StreamOptions {
  const { timeout, deadline, window } = flags;
  const ask = personToAsk(terminal, inputTaken);
  return {
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
    ...(window === undefined ? {} : { window }),
    ...(ask === undefined ? {} : { onInput: (question: unknown) => ask(question) }),
    onProgress: (data) => remark(`… ${valueText(data)}`, terminal),
  };
}
