/** The limits of a hub as options of a command: one line each, with unit and default. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { defaultLimits, type EngineLimits } from "../../broker/engine/limits.ts";
import { defaultHubLimits, type HubLimits } from "../../hub/limits.ts";
import { messageFrameBytesMax } from "../../message/limits.ts";
import { byteCount, duration, wholeNumber } from "./values.ts";

type Unit = "count" | "bytes" | "duration";

interface LimitOption {
  readonly flag: string;
  readonly unit: Unit;
  readonly what: string;
  readonly hub?: keyof HubLimits;
  readonly store?: keyof EngineLimits;
}

const limitOptions: readonly LimitOption[] = [
  { flag: "connections-max", unit: "count", hub: "sessionsMax", what: "clients at a time" },
  {
    flag: "strangers-max",
    unit: "count",
    hub: "strangersMax",
    what: "links that have not said who they are",
  },
  {
    flag: "hello-timeout",
    unit: "duration",
    hub: "helloTimeoutMs",
    what: "how long they have to do so",
  },
  {
    flag: "silence-max",
    unit: "duration",
    hub: "silenceMsMax",
    what: "silence after which a client is taken for gone",
  },
  {
    flag: "frame-bytes-max",
    unit: "bytes",
    store: "frameBytesMax",
    what: "one message, entry or value",
  },
  {
    flag: "subscriptions-max",
    unit: "count",
    hub: "openMax",
    what: "subscriptions, receivers and calls of a client, each",
  },
  {
    flag: "subscriptions-total",
    unit: "count",
    hub: "subscriptionsMax",
    what: "subscriptions of all clients",
  },
  {
    flag: "in-flight-bytes-max",
    unit: "bytes",
    hub: "inProgressBytesMax",
    what: "of a client in progress before it is no longer read",
  },
  {
    flag: "backlog-bytes-max",
    unit: "bytes",
    hub: "backlogBytesMax",
    what: "waiting for a slow client before it is no longer read",
  },
  { flag: "queues-max", unit: "count", store: "queuesMax", what: "mailboxes" },
  {
    flag: "queue-messages-max",
    unit: "count",
    store: "queueMessagesMax",
    what: "messages of one mailbox",
  },
  { flag: "queue-bytes-max", unit: "bytes", store: "queueBytesMax", what: "of them" },
];

/** What commander makes of the flags: by name in camel case. */
type Flags = Readonly<Record<string, unknown>>;

export function hubLimitOptions(command: Command): Command {
  for (const { flag, unit, what, hub, store } of limitOptions) {
    const standard =
      hub === undefined ? defaultLimits[store as keyof EngineLimits] : defaultHubLimits[hub];
    const option = new Option(`--${flag} <${unit}>`, `${what} (default: ${shown(standard, unit)})`);
    command.addOption(option.argParser(parserOf(unit, flag)));
  }
  return command;
}

export interface GivenLimits {
  readonly hubLimits: Partial<HubLimits>;
  readonly storeLimits: Partial<EngineLimits>;
}

export function givenLimits(flags: object): GivenLimits {
  const hubLimits: Partial<Record<keyof HubLimits, number>> = {};
  const storeLimits: Partial<Record<keyof EngineLimits, number>> = {};
  for (const { flag, hub, store } of limitOptions) {
    const value = (flags as Flags)[camelCase(flag)];
    if (typeof value !== "number") continue;
    if (hub !== undefined) hubLimits[hub] = value;
    if (store !== undefined) storeLimits[store] = value;
  }
  return { hubLimits, storeLimits };
}

function parserOf(unit: Unit, flag: string): (text: string) => number {
  if (unit === "count") return wholeNumber(1);
  if (unit === "duration") return duration;
  if (flag !== "frame-bytes-max") return byteCount;
  return (text) => {
    const bytes = byteCount(text);
    if (bytes <= messageFrameBytesMax) return bytes;
    throw new InvalidArgumentError(
      `At most ${messageFrameBytesMax}, the largest message there is.`,
    );
  };
}

function shown(value: number, unit: Unit): string {
  if (value === Number.MAX_SAFE_INTEGER) return "the disk";
  if (unit === "duration") return `${value / 1_000}s`;
  if (unit === "count") return value.toLocaleString("en-US");
  const mebibytes = value / 2 ** 20;
  return Number.isInteger(mebibytes) ? `${mebibytes}MiB` : String(value);
}

function camelCase(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
