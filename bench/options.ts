import { parseArgs } from "node:util";
import { brokerWorkloads } from "./brokers/catalogue.ts";
import { type Workload, workloads } from "./catalogue.ts";
import { curves } from "./growth/catalogue.ts";

export const usage: string = `usage: npm run bench -- [options]

  --only NAMES     only these workloads, joined by commas; the beginning of a name will do:
                   ${workloads.map(({ name }) => name).join(", ")};
                   with --growth ${curves.map(({ name }) => name).join(", ")};
                   with --brokers ${brokerWorkloads.map(({ name }) => name).join(", ")}
  --seconds N      how long a subject is measured in one round; default 1
  --rounds N       how often every subject is started and measured; default 5, or 3 with --peers
  --json PATH      where the figures go; default bench/results/<time>.json
  --save           also write docs/results/bench-<date>.md
  --peers          beside all peers whose servers are installed, with ten million messages waiting
  --growth         how the cost of one operation grows, instead; --save leaves growth-<date>.md
  --brokers        over NATS and Redis beside their own clients, instead; --save leaves brokers-<date>.md
  --slow-subscribers   what slow subscribers cost the quick ones, instead; --save leaves slow-subscribers.md
  --install        install the servers that --peers measures where they are missing, and end
  --waiting N      how many messages wait where that is measured; default a million, or ten with --peers
  --profile DIR    leave CPU profiles of Colloquy's processes in DIR (and slow them down)
  --help           print this
`;

export interface BenchOptions {
  readonly workloads: readonly Workload[];
  readonly durationMs: number;
  readonly rounds: number;
  readonly json?: string;
  readonly save: boolean;
  readonly peers: boolean;
  readonly growth: boolean;
  readonly brokers: boolean;
  readonly slowSubscribers: boolean;
  readonly install: boolean;
  readonly waiting: number;
  readonly profileDirectory?: string;
}

/** @returns undefined when help is asked for. @throws Error that says what is wrong with `args`. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      seconds: { type: "string", default: "1" },
      rounds: { type: "string" },
      json: { type: "string" },
      save: { type: "boolean", default: false },
      peers: { type: "boolean", default: false },
      growth: { type: "boolean", default: false },
      brokers: { type: "boolean", default: false },
      "slow-subscribers": { type: "boolean", default: false },
      install: { type: "boolean", default: false },
      waiting: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { peers, install, growth, brokers } = values;
  const from = growth ? curves : brokers ? brokerWorkloads : workloads;
  return {
    workloads: chosenWorkloads(from, values.only),
    durationMs: positive("seconds", values.seconds) * 1_000,
    rounds: whole("rounds", values.rounds ?? (peers ? "3" : "5")),
    waiting: whole("waiting", values.waiting ?? (peers ? "10000000" : "1000000")),
    save: values.save,
    peers,
    install,
    growth,
    brokers,
    slowSubscribers: values["slow-subscribers"],
    ...(values.json === undefined ? {} : { json: values.json }),
    ...(values.profile === undefined ? {} : { profileDirectory: values.profile }),
  };
}

function chosenWorkloads(from: readonly Workload[], only: string | undefined): readonly Workload[] {
  if (only === undefined) return from;
  const prefixes = only.split(",");
  for (const prefix of prefixes) {
    if (prefix !== "" && from.some(({ name }) => name.startsWith(prefix))) continue;
    throw new Error(`--only ${only}: no workload begins with "${prefix}"`);
  }
  return from.filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)));
}

function whole(name: string, text: string): number {
  const number = positive(name, text);
  if (Number.isInteger(number)) return number;
  throw new Error(`--${name} ${text}: not a whole number`);
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new Error(`--${name} ${text}: not a number above 0`);
}
