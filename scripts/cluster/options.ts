import { parseArgs } from "node:util";

export interface ClusterOptions {
  /** Leaders to kill, one after the other. */
  readonly kills: number;
  /** Work that goes on between the return of one server and the death of the next, milliseconds. */
  readonly calmMs: number;
  readonly senders: number;
  /** The broker's option of that name, milliseconds; undefined for its default. */
  readonly requestTimeoutMs: number | undefined;
  readonly save: boolean;
}

export const usage: string = `npm run cluster -- [options]

Starts three nats-servers on loopback as one cluster (three copies of everything, each on disk before it
is acknowledged), works over it, kills the leader of a stream with SIGKILL, starts it again, and so on.

  --kills N     leaders to kill; default 10
  --calm MS     work between the return of one and the death of the next; default 2000
  --senders N   messages on their way at a time; default 16
  --timeout MS  how long the broker waits for an answer before it asks again; default: its own
  --save        write docs/results/cluster.md
  --help

Ends with 0 when nothing acknowledged was lost and nothing was done twice, 1 when not, 2 for wrong usage.
`;

/** @returns undefined where help is asked for. @throws Error that says what is wrong. */
export function parseOptions(args: readonly string[]): ClusterOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: "string", default: "10" },
      calm: { type: "string", default: "2000" },
      senders: { type: "string", default: "16" },
      timeout: { type: "string" },
      save: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    kills: whole("kills", values.kills, 1),
    calmMs: whole("calm", values.calm, 0),
    senders: whole("senders", values.senders, 1),
    requestTimeoutMs:
      values.timeout === undefined ? undefined : whole("timeout", values.timeout, 1),
    save: values.save,
  };
}

function whole(option: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new Error(`--${option}: ${text} is no whole number of at least ${least}`);
}
