/**
 * `npm run cluster`: three nats-servers on loopback, work over our broker, and the leader killed under it,
 * again and again. `--help` says how.
 */

import { openNatsBroker } from "../src/broker/nats/index.ts";
import { Names } from "../src/broker/nats/names.ts";
import { findServer } from "./brokers/find-server.ts";
import { installServer } from "./brokers/install.ts";
import { NatsCluster } from "./cluster/cluster.ts";
import type { Load } from "./cluster/load.ts";
import { LogLoad } from "./cluster/log-load.ts";
import { type ClusterOptions, parseOptions, usage } from "./cluster/options.ts";
import { QueueLoad } from "./cluster/queue-load.ts";
import { isRight, reportOf } from "./cluster/report.ts";
import { runKills } from "./cluster/run.ts";
import { machineLine } from "./results/machine.ts";
import { saveMeasured } from "./results/measured.ts";

const exitCodes = { done: 0, failed: 1, wrongUsage: 2 } as const;
const result = "docs/results/cluster.md";
const silenceMs = 30_000;
const head = `# A cluster that loses its leaders

Three servers keep three copies of everything. The one that leads a stream is killed while agents work
over it; the other two elect another. What was acknowledged has to be there, and the work has to go on.`;

// What was started ends with this process, however it ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: ClusterOptions | undefined;
  try {
    options = parseOptions(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return exitCodes.wrongUsage;
  }
  if (options === undefined) {
    process.stdout.write(usage);
    return exitCodes.done;
  }
  const found = findServer("nats") ?? (await installServer("nats", say));
  const machine = machineLine();
  const cluster = await NatsCluster.start(found.path);
  try {
    const report = await runOver(cluster, options, {
      command: ["npm run cluster", ...(args.length > 0 ? ["--", ...args] : [])].join(" "),
      machine,
      version: found.version,
    });
    process.stdout.write(report.text);
    if (options.save) {
      saveMeasured(result, { command: "npm run cluster -- --save", text: report.text, head });
      say(`Written: ${result}`);
    }
    return report.isRight ? exitCodes.done : exitCodes.failed;
  } finally {
    await cluster.stop();
  }
}

interface Given {
  readonly command: string;
  readonly machine: string;
  readonly version: string;
}

async function runOver(
  cluster: NatsCluster,
  { kills, calmMs, senders, requestTimeoutMs }: ClusterOptions,
  given: Given,
): Promise<{ readonly text: string; readonly isRight: boolean }> {
  const prefix = "colloquy";
  const options = {
    servers: cluster.urls,
    prefix,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  };
  const sender = await openNatsBroker(options);
  const receiver = await openNatsBroker(options);
  try {
    const { level } = sender.capabilities.durability;
    say(`three servers ${given.version}; durability: ${level}`);
    const loads: readonly Load[] = [
      await QueueLoad.start(sender, receiver, { queue: "type:load", senders, silenceMs }),
      new LogLoad(sender, { writers: 2 }),
    ];
    const { work, state } = new Names(prefix).streams;
    const run = await runKills(cluster, loads, { kills, calmMs, streams: [work, state], say });
    const date = new Date().toISOString().slice(0, 10);
    return {
      text: reportOf(run, { ...given, date, durability: level }),
      isRight: isRight(run),
    };
  } finally {
    await Promise.all([sender.close(), receiver.close()]);
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
