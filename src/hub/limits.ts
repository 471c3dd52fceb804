import { ColloquyError } from "../errors.ts";
import { aboveZero, checkOptions, eachOf, withDefaults } from "../message/checks.ts";
import { invalidMessage } from "../message/invalid.ts";

export interface HubLimits {
  /** Default: 10,000. */
  readonly sessionsMax: number;
  /** Links that have not said who they are. Default: 256. */
  readonly strangersMax: number;
  /** How long they have to do so. Default: 5,000. */
  readonly helloTimeoutMs: number;
  /** A session that is silent for longer loses what it holds. Default: 30,000. */
  readonly silenceMsMax: number;
  /** How long a session whose link broke keeps what it holds. Default: 1,000. */
  readonly reconnectGraceMs: number;
  /** The same where the link was not local, and a network may be away for a while. Default: 5,000. */
  readonly remoteReconnectGraceMs: number;
  /** How often it is checked meanwhile whether its process still lives. Default: 25. */
  readonly deathCheckMs: number;
  /** Bytes that wait for a slow client before live publications to it are dropped. Default: 4 MiB. */
  readonly liveBacklogBytesMax: number;
  /** Bytes that wait for it before durable deliveries to it pause. Default: 1 MiB. */
  readonly deliveryBacklogBytesMax: number;
  /**
   * Bytes that wait for it before it is no longer read and what it watches is no longer told, and
   * beyond which a control publication to it ends its link. Default: 16 MiB.
   */
  readonly backlogBytesMax: number;
  /** Bytes of one session's messages and settlements in progress before it is no longer read. Default: 64 MiB. */
  readonly inProgressBytesMax: number;
  /**
   * Subscriptions, receivers, open calls and tracked messages of one session, each; more are refused
   * with QUEUE_FULL. Default: 250,000: an agent with a handler receives from two mailboxes.
   */
  readonly openMax: number;
  /** Subscriptions of all sessions; more are refused with QUEUE_FULL. Default: 1,000,000. */
  readonly subscriptionsMax: number;
}

export const defaultHubLimits: HubLimits = {
  sessionsMax: 10_000,
  strangersMax: 256,
  helloTimeoutMs: 5_000,
  silenceMsMax: 30_000,
  reconnectGraceMs: 1_000,
  remoteReconnectGraceMs: 5_000,
  deathCheckMs: 25,
  liveBacklogBytesMax: 4 * 2 ** 20,
  deliveryBacklogBytesMax: 2 ** 20,
  backlogBytesMax: 16 * 2 ** 20,
  inProgressBytesMax: 64 * 2 ** 20,
  openMax: 250_000,
  subscriptionsMax: 1_000_000,
};

/** @throws INVALID_OPTION naming, within `field`, the limit that is unknown or no number above 0. */
export function checkHubLimits(given: Partial<HubLimits> = {}, field = "limits"): HubLimits {
  checkOptions(given, checks, field);
  return withDefaults(given, defaultHubLimits);
}

const checks = eachOf(defaultHubLimits, aboveZero);

/**
 * @returns QUEUE_FULL when a session has as many of something open as it may. It is told of the one that
 *   is too many: if its session ended, the client would come again with all of them.
 */
export function tooManyOpen(
  what: string,
  open: number,
  { openMax }: HubLimits,
): ColloquyError<"QUEUE_FULL"> | undefined {
  if (open < openMax) return undefined;
  return new ColloquyError("QUEUE_FULL", `${what}: openMax ${openMax} is reached`, {
    details: { field: what, limit: openMax },
  });
}

/** @throws INVALID_MESSAGE when a client gives a number to two things at a time. */
export function checkUnused(what: string, used: boolean): void {
  if (used) throw invalidMessage(what, "a number that is not in use");
}
