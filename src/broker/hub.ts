/**
 * A broker that somebody else has: reached over a link, shared with others. It survives its links:
 * subscriptions, receivers and watches come into force again, what was not acknowledged is sent again
 * under the same number, and what is in hand is claimed before anybody else gets it.
 */
import { ColloquyError } from "../errors.ts";
import type { Connect } from "../link/link.ts";
import {
  abortSignal,
  aboveZero,
  aClock,
  aFunction,
  aRandom,
  type Checks,
  checkedWithin,
  checkOptions,
  eachOf,
  text,
  withDefaults,
} from "../message/checks.ts";
import { utf8Length } from "../message/text.ts";
import { onAbort, throwIfAborted } from "../runtime/abort.ts";
import type { Clock } from "../runtime/clock.ts";
import { processIdentity } from "../runtime/process.ts";
import type { Random } from "../runtime/random.ts";
import { ulidSource } from "../runtime/ulid.ts";
import type { Broker, BrokerStatus, Capabilities, Log, Queues, Store, Topics } from "./broker.ts";
import { Calls } from "./hub/calls.ts";
import { HubConnection } from "./hub/connection.ts";
import { Deliveries } from "./hub/deliveries.ts";
import { Intake } from "./hub/intake.ts";
import { HubLog } from "./hub/log.ts";
import { credentialBytesMax } from "./hub/operations/greeting.ts";
import { HubQueues } from "./hub/queues.ts";
import { Settlements } from "./hub/settlements.ts";
import { HubStore } from "./hub/store.ts";
import { Subscriptions } from "./hub/subscriptions.ts";
import { Tracks } from "./hub/tracks.ts";

export interface HubBrokerOptions {
  readonly connect: Connect;
  readonly clock: Clock;
  readonly random: Random;
  /** Who connects, for people. */
  readonly name: string;
  /** Shown to the hub's authenticator, such as a token; at most 8,192 bytes of UTF-8. Default: none. */
  readonly credential?: string;
  readonly limits?: Partial<HubBrokerLimits>;
  /** Gives up connecting for the first time. */
  readonly signal?: AbortSignal;
}

export interface HubBrokerLimits {
  /** Messages that may wait for the hub's answer; above it `enqueue` waits. Default: 16,384. */
  readonly unacknowledgedMessagesMax: number;
  /** Bytes of their frames. Default: 64 MiB. */
  readonly unacknowledgedBytesMax: number;
  /**
   * Bytes that wait for a slow link, sends included, beyond which live messages are refused with
   * QUEUE_FULL or, where they are answers, lost. Default: 128 MiB.
   */
  readonly waitingBytesMax: number;
  /** Bytes of calls that wait for an answer; more are refused with QUEUE_FULL. Default: 64 MiB. */
  readonly callBytesMax: number;
  /** The wait before connecting again is drawn from 0 up to this, which doubles. Default: 10. */
  readonly backoffMinMs: number;
  /** Where the doubling stops. Default: 1,000. */
  readonly backoffMaxMs: number;
  /** How long a hub that took the link may take to answer. Default: 10,000. */
  readonly welcomeTimeoutMs: number;
}

const defaultLimits: HubBrokerLimits = {
  unacknowledgedMessagesMax: 16_384,
  unacknowledgedBytesMax: 64 * 2 ** 20,
  waitingBytesMax: 128 * 2 ** 20,
  callBytesMax: 64 * 2 ** 20,
  backoffMinMs: 10,
  backoffMaxMs: 1_000,
  welcomeTimeoutMs: 10_000,
};

export interface HubBroker extends Broker {
  readonly store: Store | undefined;
  readonly log: Log | undefined;
  /** Publications that the hub did not deliver here because this process was too slow. */
  readonly droppedPublications: number;
}

/**
 * Connects to a hub. Whatever fails later is mended; whatever fails now is told.
 *
 * @throws what `connect` throws; INVALID_VERSION when the hub speaks another protocol, or the reason
 *   for which it refuses this client; CANCELLED.
 */
export async function openHubBroker(options: HubBrokerOptions): Promise<HubBroker> {
  const broker = new LinkedBroker(options);
  const { signal } = options;
  throwIfAborted(signal);
  const forget = onAbort(signal, () => void broker.close());
  try {
    await broker.open();
    return broker;
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    forget();
  }
}

class LinkedBroker implements HubBroker {
  readonly topics: Topics;
  readonly queues: Queues;
  readonly #connection: HubConnection;
  readonly #subscriptions: Subscriptions;
  readonly #store: Store;
  readonly #log: Log;

  constructor(options: HubBrokerOptions) {
    checkOptions(options, optionChecks);
    const { connect, clock, random, name, credential, limits } = options;
    const shown = credential === undefined ? {} : { credential };
    const checked = checkHubBrokerLimits(limits);
    const { waitingBytesMax, callBytesMax, welcomeTimeoutMs } = checked;
    const { id, host } = processIdentity();
    const connection = new HubConnection({
      connect,
      clock,
      random,
      hello: { incarnation: ulidSource(clock, random)(), name, process: id, host, ...shown },
      backoff: { minMs: checked.backoffMinMs, maxMs: checked.backoffMaxMs },
      welcomeTimeoutMs,
    });
    // In the order in which a session begins: claims come before the settlements that need them.
    const subscriptions = new Subscriptions(connection, waitingBytesMax);
    const deliveries = new Deliveries(connection);
    const settlements = new Settlements(connection, (settled) => deliveries.release(settled));
    const intake = new Intake(connection, {
      messagesMax: checked.unacknowledgedMessagesMax,
      bytesMax: checked.unacknowledgedBytesMax,
    });
    const tracks = new Tracks(connection);
    const calls = new Calls(connection, callBytesMax);
    this.#connection = connection;
    this.#subscriptions = subscriptions;
    this.topics = subscriptions;
    this.queues = new HubQueues({ intake, deliveries, settlements, tracks, calls });
    this.#store = new HubStore(calls);
    this.#log = new HubLog(calls);
  }

  get name(): string {
    return this.#connection.welcome.broker;
  }

  get capabilities(): Capabilities {
    return this.#connection.welcome.capabilities;
  }

  get store(): Store | undefined {
    return this.capabilities.store ? this.#store : undefined;
  }

  get log(): Log | undefined {
    return this.capabilities.log ? this.#log : undefined;
  }

  get droppedPublications(): number {
    return this.#subscriptions.droppedCount;
  }

  open(): Promise<void> {
    return this.#connection.open();
  }

  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    return this.#connection.statuses.read(signal);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

const optionChecks: Checks<HubBrokerOptions> = {
  connect: aFunction,
  clock: aClock,
  random: aRandom,
  name: text,
  credential: (_field, value) => checkCredential(value),
  limits: checkedWithin,
  signal: abortSignal,
};

function checkCredential(credential: unknown): void {
  if (typeof credential === "string" && utf8Length(credential) <= credentialBytesMax) return;
  const message = `credential: it is no text of at most ${credentialBytesMax} bytes`;
  throw new ColloquyError("INVALID_OPTION", message, { details: { field: "credential" } });
}

/** @throws INVALID_OPTION naming, within `field`, the limit that is unknown or not above 0. */
export function checkHubBrokerLimits(
  limits: Partial<HubBrokerLimits> = {},
  field = "limits",
): HubBrokerLimits {
  checkOptions(limits, limitChecks, field);
  return withDefaults(limits, defaultLimits);
}

const limitChecks = eachOf(defaultLimits, aboveZero);
