/** `colloquy bench`: how fast this fabric is, seen from here. */
import { Option } from "commander";
import type { Agent } from "../../agent/agent.ts";
import type { Network } from "../../network/network.ts";
import { environmentVariable } from "../../runtime/environment.ts";
import { type Measured, type MeasureOptions, measure } from "../bench/measure.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import {
  type FabricFlags,
  type FabricVisit,
  fabricOptions,
  joinFabric,
  visitFabric,
} from "../shell/fabric.ts";
import { remark, writeTable } from "../shell/output.ts";
import type { Column } from "../shell/table.ts";
import { countText, millisecondsText } from "../shell/text.ts";
import { duration, wholeNumber } from "../shell/values.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags extends FabricFlags {
  readonly for: number;
  readonly inFlight: number;
}

const notes = `
Two members join, both in this process, and talk to one another through the broker; with memory: there
is one, and no broker in between. Each message carries an object of some 256 bytes. "request" is answered by the
other one, "publish" is heard there, "send" is safe in a mailbox, which is removed at the end. The
other work of the fabric goes on, and is slowed. What Colloquy can do beside other systems is measured
in its repository: see docs/performance.md there.`;

export const addBench: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("bench"))
    .summary("how fast this fabric is, seen from here")
    .description("Measure requests, publications and durable commands: rates and latencies.")
    .addOption(
      new Option("--for <duration>", "how long each is measured")
        .argParser(duration)
        .default(1_000, "1s"),
    )
    .addOption(
      new Option("--in-flight <number>", "under way at a time, beside one alone")
        .argParser(wholeNumber(1))
        .default(64),
    )
    .addHelpText(
      "after",
      examplesText(
        ["colloquy bench", "colloquy bench --url memory: --for 5s", "colloquy bench --json"],
        notes,
      ),
    )
    .action(async (flags: Flags) => {
      ended(await visitFabric(flags, terminal, (visit) => bench(visit, flags, terminal)));
    });
};

const payload = {
  id: "01JD3ZQ8V6X9M2T4B7K5N0P1RC",
  symbol: "ACME",
  side: "buy",
  shares: 1_200,
  limit: 171.25,
  account: "desk-7",
  notes: "x".repeat(130),
};

async function bench(
  { net, signal }: FabricVisit,
  flags: Flags,
  terminal: Terminal,
): Promise<ExitCode> {
  // Of a fabric in memory nobody else can be a member.
  const alone = (flags.url ?? environmentVariable("COLLOQUY_URL")) === "memory:";
  const other = alone ? net : await joinFabric(flags, terminal, signal);
  const name = `bench-${net.instance}`;
  try {
    const asker = await net.agent(`${name}-asker`);
    const worker = await other.agent(name);
    worker.handle("echo", (input) => input);
    worker.handle("take", () => {});
    await worker.ready();
    await net.waitFor({ id: name }, { signal });
    const rows: string[][] = [];
    for (const [what, inFlight, operation] of await operations(asker, worker, flags)) {
      if (!flags.json) remark(`… ${what}, ${inFlight} in flight`, terminal);
      const options: MeasureOptions = { inFlight, durationMs: flags.for, signal };
      const found = await measure(operation, options);
      if (flags.json) await writeLine(terminal.out, jsonLine({ what, inFlight, ...found }));
      else rows.push(rowOf(what, inFlight, found));
    }
    await writeTable(columns, rows, terminal);
    return exitCodes.done;
  } finally {
    await leave(net, other, name);
  }
}

type Measurement = readonly [what: string, inFlight: number, operation: () => Promise<unknown>];

async function operations(
  asker: Agent,
  worker: Agent,
  { inFlight }: Flags,
): Promise<readonly Measurement[]> {
  const to = `agent:${worker.id}` as const;
  const request = () => asker.request(to, "echo", payload);
  const send = () => asker.send(to, "take", payload);
  const publish = await publishAndHear(asker, worker);
  return [
    ["request", 1, request],
    ["request", inFlight, request],
    ["publish", inFlight, publish],
    ["send", 1, send],
    ["send", inFlight, send],
  ];
}

/** @returns publishes, and resolves when the other one has heard it: they arrive in order. */
async function publishAndHear(asker: Agent, worker: Agent): Promise<() => Promise<void>> {
  const topic = `bench.${worker.id}`;
  const heard: (() => void)[] = [];
  let first = 0;
  await worker.subscribe(topic, () => {
    heard[first++]?.();
    if (first === heard.length) {
      heard.length = 0;
      first = 0;
    }
  });
  return () =>
    new Promise((resolve, reject) => {
      heard.push(resolve);
      asker.publish(topic, payload).catch(reject);
    });
}

/** With nothing left behind. */
async function leave(net: Network, other: Network, name: string): Promise<void> {
  if (other !== net) await other.close();
  const mailboxes = await net.mailboxes.list();
  if (mailboxes.some(({ address }) => address === `agent:${name}`)) {
    await net.mailboxes.remove(`agent:${name}`);
  }
}

const columns: readonly Column[] = [
  { title: "WHAT" },
  { title: "IN FLIGHT", align: "right" },
  { title: "/S", align: "right" },
  { title: "AVG MS", align: "right" },
  { title: "P50 MS", align: "right" },
  { title: "P99 MS", align: "right" },
];

function rowOf(what: string, inFlight: number, found: Measured): string[] {
  const { perSecond, averageMs, p50Ms, p99Ms } = found;
  return [
    what,
    countText(inFlight),
    countText(Math.round(perSecond)),
    ...[averageMs, p50Ms, p99Ms].map(millisecondsText),
  ];
}
