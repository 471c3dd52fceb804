/** What bounds an engine. Every refusal names the limit it comes from. */
import { ColloquyError } from "../../errors.ts";
import {
  type Checks,
  checkOptions,
  eachOf,
  wholeNumber,
  withDefaults,
} from "../../message/checks.ts";
import { messageFrameBytesMax } from "../../message/limits.ts";
import type { StorageShortage } from "./storage.ts";

export interface EngineLimits {
  /** Bytes of one message, log entry or stored value. Default: the largest message frame. */
  readonly frameBytesMax: number;
  /** Messages, entries and settlements one group commits. Default: 4,096. */
  readonly groupMessagesMax: number;
  /** Bytes one group commits, unless a single operation has more. Default: 4 MiB. */
  readonly groupBytesMax: number;
  /** Waiting messages of one lane in memory. Default: 2,048. */
  readonly windowMessagesMax: number;
  /** Bytes of the pages they lie in. Default: 2 MiB. */
  readonly windowBytesMax: number;
  /** Messages of one lane that wait for another with their key and are known by position only. Default: 1,000,000. */
  readonly parkedMax: number;
  /** Timers in memory; the others are read when their time comes near. Default: 65,536. */
  readonly timersMax: number;
  /** Messages of one queue that are not final. Default: no limit but the disk. */
  readonly queueMessagesMax: number;
  /** Bytes of their frames. Default: no limit but the disk. */
  readonly queueBytesMax: number;
  /** Mailboxes. Default: 1,000,000. */
  readonly queuesMax: number;
  /** Dead letters; when there are as many, nothing more is taken in. Default: no limit but the disk. */
  readonly deadLettersMax: number;
  /** Offers that came back before a handler ran, until a message is dead. Default: 20. */
  readonly pickupsMax: number;
  /** Receivers that vanished with a message, until it is dead. Default: 3. */
  readonly crashesMax: number;
  /** Bytes of questions and answers of messages that wait for input. Default: 64 MiB. */
  readonly questionBytesMax: number;
  /** Messages of one queue that are written down before they are offered, after an unclean end: see suspects.ts. Default: 1,024. */
  readonly suspectsMax: number;
  /** Bytes of keys and values of volatile entries, which are in memory alone. Default: 256 MiB. */
  readonly volatileBytesMax: number;
  /** How long ids of exactly-once messages are remembered. Default: 24 hours. */
  readonly dedupeHorizonMs: number;
  /** How many of them. Default: 2,000,000. */
  readonly dedupeIdsMax: number;
  /** Lives of senders whose repetitions are recognised. Default: 100,000. */
  readonly producersMax: number;
  /** How long a sender may be silent before that is forgotten. Default: 24 hours. */
  readonly producerIdleMs: number;
  /** How long results and errors are kept for senders. Default: 24 hours. */
  readonly resultRetentionMs: number;
  /** Bytes of results and errors kept, oldest given up first. Default: 256 MiB. */
  readonly resultBytesMax: number;
  /** After an unclean end: how long what waited is kept for receivers that come back. Default: 1,000. */
  readonly reconnectGraceMs: number;
}

const day = 86_400_000;

export const defaultLimits: EngineLimits = {
  frameBytesMax: messageFrameBytesMax,
  groupMessagesMax: 4_096,
  groupBytesMax: 2 ** 22,
  windowMessagesMax: 2_048,
  windowBytesMax: 2 ** 21,
  parkedMax: 1_000_000,
  timersMax: 65_536,
  queueMessagesMax: Number.MAX_SAFE_INTEGER,
  queueBytesMax: Number.MAX_SAFE_INTEGER,
  queuesMax: 1_000_000,
  deadLettersMax: Number.MAX_SAFE_INTEGER,
  pickupsMax: 20,
  crashesMax: 3,
  questionBytesMax: 2 ** 26,
  suspectsMax: 1_024,
  volatileBytesMax: 2 ** 28,
  dedupeHorizonMs: day,
  dedupeIdsMax: 2_000_000,
  producersMax: 100_000,
  producerIdleMs: day,
  resultRetentionMs: day,
  resultBytesMax: 2 ** 28,
  reconnectGraceMs: 1_000,
};

const checks: Checks<EngineLimits> = {
  ...eachOf(defaultLimits, wholeNumber(1)),
  // At 0 that feature is off.
  reconnectGraceMs: wholeNumber(0),
  resultBytesMax: wholeNumber(0),
  suspectsMax: wholeNumber(0),
};

/** @throws INVALID_OPTION naming, within `field`, the limit that is unknown, no whole number, or below its minimum. */
export function checkLimits(given: Partial<EngineLimits> = {}, field = "limits"): EngineLimits {
  checkOptions(given, checks, field);
  return withDefaults(given, defaultLimits);
}

/** QUEUE_FULL: the room that is left is kept for what is there. */
export function short({ limit, value, free }: StorageShortage): ColloquyError<"QUEUE_FULL"> {
  const message = `${limit}: ${free} bytes are left, and the last ${value} are kept for work that is there`;
  return new ColloquyError("QUEUE_FULL", message, { details: { limit, value, free } });
}

/** QUEUE_FULL: `limit` of the engine is reached. */
export function full(limit: keyof EngineLimits, value: number): ColloquyError<"QUEUE_FULL"> {
  return new ColloquyError("QUEUE_FULL", `${limit} ${value} is reached`, {
    details: { limit, value },
  });
}
