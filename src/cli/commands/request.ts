/** `colloquy request`: asks one agent and prints its answer. */
import { Option } from "commander";
import type { RequestOptions } from "../../exchange/options.ts";
import type { Address } from "../../message/address.ts";
import { strategies } from "../../routing/strategies.ts";
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
import { valueText } from "../shell/text.ts";
import { address, duration, wholeNumber } from "../shell/values.ts";
import type { Terminal } from "../terminal.ts";

interface Flags extends FabricFlags {
  readonly as?: string;
  readonly deadline?: number;
  readonly retry?: number;
  readonly idempotent?: true;
  readonly durable?: true;
  readonly strategy?: NonNullable<RequestOptions["strategy"]>;
}

const notes = `
The input is JSON: as it stands, @file, or - for standard input; left out, there is none.
What the handler reports on its way, and what it asks, goes to standard error; a question is
answered at the terminal, with JSON or a plain text.
--timeout is the longest silence (30s unless it is given); with --durable, the longest wait.`;

export const addRequest: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("request"))
    .summary("ask one agent, and print its answer")
    .description(
      "Ask one agent: exactly one (agent:), any of a pool (type:), any that can (skill:).",
    )
    .argument("<to>", "agent:ID, type:TYPE or skill:CAPABILITY", address)
    .argument("<method>", "what is asked")
    .argument("[json]", "the input")
    .option("--as <id>", "ask as the agent of this id")
    .addOption(new Option("--deadline <duration>", "hard limit").argParser(duration))
    .addOption(
      new Option(
        "--retry <times>",
        "ask again where that cannot do the work twice, so often at most",
      ).argParser(wholeNumber(1)),
    )
    .option("--idempotent", "doing it twice does no harm: retry after timeouts, too")
    .option("--durable", "as a command, which survives what the store survives")
    .addOption(new Option("--strategy <name>", "how to choose one of several").choices(strategies))
    .addHelpText(
      "after",
      examplesText(
        [
          `colloquy request agent:greeter greet '"world"'`,
          "colloquy request skill:risk.assess risk.assess @question.json --timeout 5s --json",
          `echo '{"x": 1}' | colloquy request type:worker double - --retry 3 --idempotent`,
        ],
        notes,
      ),
    )
    .action(async (to: Address, method: string, json: string | undefined, flags: Flags) => {
      ended(await request(to, method, json, flags, terminal));
    });
};

async function request(
  to: Address,
  method: string,
  json: string | undefined,
  flags: Flags,
  terminal: Terminal,
): Promise<ExitCode> {
  const input = await readJson(json, terminal);
  const work = async ({ net, signal }: FabricVisit) => {
    const agent = await visitor(net, flags.as);
    const answer = await agent.request(to, method, input, {
      ...optionsOf(flags, terminal, json === "-"),
      signal,
    });
    await writeValue(answer, flags.json === true, terminal);
    return exitCodes.done;
  };
  return visitFabric(flags, terminal, work, { ownTimeout: flags.durable !== true });
}

function optionsOf(flags: Flags, terminal: Terminal, inputTaken: boolean): RequestOptions {
  const { timeout, deadline, retry, idempotent, durable, strategy } = flags;
  const ask = personToAsk(terminal, inputTaken);
  return {
    ...(timeout === undefined || durable ? {} : { timeoutMs: timeout }),
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
    ...(retry === undefined ? {} : { retry: { attemptsMax: retry + 1, budget: Infinity } }),
    ...(idempotent === undefined ? {} : { idempotent }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(durable === undefined
      ? {
          onProgress: (data: unknown) => remark(`… ${valueText(data)}`, terminal),
          ...(ask === undefined ? {} : { onInput: (question: unknown) => ask(question) }),
        }
      : { durable }),
  };
}
