/** `npm run backlog`: a million messages that wait, on each broker. `--help` says how. */

import type { Broker } from "../src/broker/broker.ts";
import { openNatsBroker } from "../src/broker/nats/index.ts";
import { openRedisBroker } from "../src/broker/redis/index.ts";
import { type BacklogCommand, parseOptions, usage } from "./backlog/options.ts";
import { isRight, reportOf } from "./backlog/report.ts";
import { runBacklog } from "./backlog/run.ts";
import { MeasuredServer } from "./backlog/server.ts";
import { findServer } from "./brokers/find-server.ts";
import { installServer } from "./brokers/install.ts";
import type { ServerName } from "./brokers/servers.ts";
import { machineLine } from "./results/machine.ts";
import { saveMeasured } from "./results/measured.ts";

const exitCodes = { done: 0, failed: 1, wrongUsage: 2 } as const;

const open: Readonly<Record<ServerName, (url: string) => Promise<Broker>>> = {
  nats: openNatsBroker,
  redis: openRedisBroker,
};

// What was started ends with this process, however it ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let command: BacklogCommand | undefined;
  try {
    command = parseOptions(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return exitCodes.wrongUsage;
  }
  if (command === undefined) {
    process.stdout.write(usage);
    return exitCodes.done;
  }
  let right = true;
  for (const name of command.brokers) right = (await measure(name, command)) && right;
  return right ? exitCodes.done : exitCodes.failed;
}

async function measure(name: ServerName, command: BacklogCommand): Promise<boolean> {
  const { path, version } = findServer(name) ?? (await installServer(name, say));
  const machine = machineLine();
  const server = await MeasuredServer.start(name, path);
  try {
    say(`${path} ${version}`);
    const run = await runBacklog(server, open[name], command, say);
    const date = new Date().toISOString().slice(0, 10);
    const { messages, frameBytes, batch, inFlight } = command;
    const again = `npm run backlog -- --broker ${name} --messages ${messages} --bytes ${frameBytes} --batch ${batch} --calls ${inFlight}`;
    const text = reportOf(run, command, {
      command: again,
      date,
      machine,
      server: `${name} ${version}`,
    });
    process.stdout.write(text);
    if (command.save) {
      const page = `docs/results/backlog-${name}.md`;
      const head = `# A backlog on ${name}`;
      saveMeasured(page, { command: `npm run backlog -- --broker ${name} --save`, text, head });
      say(`Written: ${page}`);
    }
    return isRight(run, command);
  } finally {
    await server.remove();
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
