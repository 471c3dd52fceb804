/** `colloquy subscribe`: prints what is published, as it comes. */
import { Option } from "commander";
import type { EventContext } from "../../agent/subscription.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import {
  type FabricFlags,
  type FabricVisit,
  fabricOptions,
  visitFabric,
  visitor,
} from "../shell/fabric.ts";
import { remark } from "../shell/output.ts";
import { valueText } from "../shell/text.ts";
import { wholeNumber } from "../shell/values.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags extends FabricFlags {
  readonly count?: number;
}

/** Heard and not written yet; what comes beyond is left out, and said so. */
const unwrittenMax = 10_000;

const notes = `
* in a pattern is one token, a last > the rest. Goes on until Ctrl-C, or until --count have come.
Whoever reads the lines too slowly misses some, and is told how many.`;

export const addSubscribe: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("subscribe"))
    .summary("print what is published")
    .description("Print what is published on topics that match, from now on.")
    .argument("<pattern>", "a topic, or a pattern such as market.* or market.>")
    .addOption(
      new Option("--count <number>", "end with code 0 after so many").argParser(wholeNumber(1)),
    )
    .addHelpText(
      "after",
      examplesText(
        ["colloquy subscribe 'market.*'", "colloquy subscribe '>' --count 1 --timeout 10s --json"],
        notes,
      ),
    )
    .action(async (pattern: string, flags: Flags) => {
      const work = (visit: FabricVisit) => listen(visit, pattern, flags, terminal);
      ended(await visitFabric(flags, terminal, work, { endless: flags.count === undefined }));
    });
};

async function listen(
  { net, signal }: FabricVisit,
  pattern: string,
  flags: Flags,
  terminal: Terminal,
): Promise<ExitCode> {
  const agent = await visitor(net);
  const events = new AsyncQueue<readonly [unknown, EventContext]>();
  const tellMissed = (count: number) =>
    remark(`missed ${count}: they came faster than they were read`, terminal);
  let missed = 0;
  const heard = (data: unknown, context: EventContext) => {
    if (events.size >= unwrittenMax) missed++;
    else events.push([data, context]);
  };
  const subscription = await agent.subscribe(pattern, heard, { signal, onDropped: tellMissed });
  void subscription.closed.then((reason) => reason !== undefined && events.fail(reason));
  remark(`listening to ${pattern}`, terminal);
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  for await (const [data, { topic, message }] of events) {
    const { from, createdMs } = message;
    await writeLine(
      terminal.out,
      flags.json
        ? jsonLine({ topic, data: data ?? null, from: from.agent, createdMs })
        : `${topic}  ${valueText(data)}`,
    );
    if (missed > 0) tellMissed(missed);
    missed = 0;
    if (--left === 0) break;
  }
  return exitCodes.done;
}
