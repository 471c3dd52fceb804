/** `colloquy request`: asks one agent and prints its answer. */
import { Option } from "commander";
import type { RequestOptions } from "../../exchange/options.ts";
import type { Address } from "../../message/address.ts";
import { strategies } from "../../routing/strategies.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import {
  type AskingFlags,
  askingOptions,
  askingOptionsOf,
  messageArguments,
  sayingWhereItIs,
} from "../shell/asking.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricVisit, fabricOptions, visitFabric, visitor } from "../shell/fabric.ts";
import { readJson } from "../shell/json-argument.ts";
import { writeValue } from "../shell/output.ts";
import { wholeNumber } from "../shell/values.ts";
import type { Terminal } from "../terminal.ts";

interface Flags extends AskingFlags {
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
  const command = fabricOptions(program.command("request"));
  messageArguments(command, "agent:ID, type:TYPE or skill:CAPABILITY", "what is asked");
  askingOptions(command)
    .summary("ask one agent, and print its answer")
    .description(
      "Ask one agent: exactly one (agent:), any of a pool (type:), any that can (skill:).",
    )
    .addOption(
      new Option(
        "--retry <times>",
        "ask again where that cannot do the work twice, so often at most",
      ).argParser(wholeNumber(1)),
    )
    .option("--idempotent", "doing it twice does no harm: retry after timeouts, too")
    .addOption(
      new Option("--durable", "as a command, which survives what the store survives").conflicts(
        "leave",
      ),
    )
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
    const options = { ...optionsOf(flags, terminal, json === "-"), signal };
    const asked = agent.request(to, method, input, options);
    const answer = await sayingWhereItIs(asked, terminal);
    await writeValue(answer, flags.json === true, terminal);
    return exitCodes.done;
  };
  return visitFabric(flags, terminal, work, { ownTimeout: flags.durable !== true });
}

function optionsOf(flags: Flags, terminal: Terminal, inputTaken: boolean): RequestOptions {
  const { retry, idempotent, durable, deadline, strategy } = flags;
  const ofDurable =
    deadline === undefined ? { durable: true } : { durable: true, deadlineMs: deadline };
  return {
    ...(durable ? ofDurable : askingOptionsOf(flags, terminal, inputTaken)),
    ...(retry === undefined ? {} : { retry: { attemptsMax: retry + 1, budget: Infinity } }),
    ...(idempotent === undefined ? {} : { idempotent }),
    ...(strategy === undefined ? {} : { strategy }),
  };
}
