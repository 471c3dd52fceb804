import { parseArgs } from "node:util";
import { isServerName, type ServerName, serverNames } from "../brokers/servers.ts";

export interface BacklogCommand {
  readonly brokers: readonly ServerName[];
  readonly messages: number;
  readonly frameBytes: number;
  readonly batch: number;
  readonly inFlight: number;
  readonly save: boolean;
}

export const usage: string = `npm run backlog -- [options]

Starts an empty server for each broker, stores a backlog through our broker, each message on disk before
it is acknowledged, starts the server again with all of it, and takes and settles every message.

  --broker NAMES   ${serverNames.join(", ")}, or several separated by commas; default all
  --messages N     default 1000000
  --bytes N        of each message; default 200
  --batch N        messages of one call; default 256
  --calls N        calls on their way at a time; default 8
  --save           write docs/results/backlog-NAME.md
  --help

Ends with 0 when every message came and was settled once, 1 when not, 2 for wrong usage.
`;

/** @returns undefined where help is asked for. @throws Error that says what is wrong. */
export function parseOptions(args: readonly string[]): BacklogCommand | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      broker: { type: "string", default: serverNames.join(",") },
      messages: { type: "string", default: "1000000" },
      bytes: { type: "string", default: "200" },
      batch: { type: "string", default: "256" },
      calls: { type: "string", default: "8" },
      save: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const brokers = values.broker.split(",");
  const unknown = brokers.find((name) => !isServerName(name));
  if (unknown !== undefined)
    throw new Error(`--broker: ${unknown} is none of ${serverNames.join(", ")}`);
  return {
    brokers: brokers.filter(isServerName),
    messages: whole("messages", values.messages, 1),
    // A number is in each.
    frameBytes: whole("bytes", values.bytes, 4),
    batch: whole("batch", values.batch, 1),
    inFlight: whole("calls", values.calls, 1),
    save: values.save,
  };
}

function whole(option: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new Error(`--${option}: ${text} is no whole number of at least ${least}`);
}
