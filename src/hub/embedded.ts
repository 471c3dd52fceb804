/**
 * The broker that is there when nothing is installed: a directory, shared by every process that opens
 * it. The first one owns it and runs the hub; when it ends, another takes over.
 */

import type { Broker } from "../broker/broker.ts";
import { checkLimits, type EngineLimits } from "../broker/engine/limits.ts";
import { type HubBroker, type HubBrokerLimits, openHubBroker } from "../broker/hub.ts";
import { isColloquyError } from "../errors.ts";
import {
  abortSignal,
  aboveZero,
  aClock,
  aRandom,
  type Checks,
  checkedWithin,
  checkOptions,
  text,
  wholeNumber,
} from "../message/checks.ts";
import type { Clock } from "../runtime/clock.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Random, systemRandom } from "../runtime/random.ts";
import { Access } from "./embedded/access.ts";
import { onHandOver } from "./embedded/precedence.ts";
import { checkHubLimits, type HubLimits } from "./limits.ts";

export interface EmbeddedOptions {
  /** Who opens it, for people. Default: the process id. */
  readonly name?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  /** How long to wait for an owner that does not answer, milliseconds. Default: 10,000. */
  readonly openTimeoutMs?: number;
  readonly limits?: Partial<HubBrokerLimits>;
  /** Of the hub, and of the store, while this process is the owner. */
  readonly hubLimits?: Partial<HubLimits>;
  readonly storeLimits?: Partial<EngineLimits>;
  /**
   * Free bytes of the disk that are kept for work that is there: below, nothing new is taken in. The
   * owner's counts. Default: 64 MiB or 5% of the disk, whichever is more; of a disk under 256 MiB, a quarter.
   */
  readonly reserveBytes?: number;
  /** URL of a module that exports `probe`; for tests that stop the owner at a certain point. */
  readonly probeModule?: string;
  /** Gives up opening it. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedBroker extends Broker {
  /** True while this process runs the hub for everybody. */
  readonly owner: boolean;
}

/** A takeover takes a fraction of a second, and everybody waits for it. */
const backoff = { backoffMinMs: 5, backoffMaxMs: 100 };

/**
 * Opens the broker of `directory`, which is made if need be, as its owner or through its owner.
 *
 * @throws AGENT_UNREACHABLE when another process owns it and does not answer; STORE_FAILED when the
 *   directory or the store cannot be used; INVALID_VERSION when the store is of a later version; CANCELLED.
 */
export async function openEmbedded(
  directory: string,
  options: EmbeddedOptions = {},
): Promise<EmbeddedBroker> {
  checkOptions(options, optionChecks);
  const { clock = systemClock, random = systemRandom, openTimeoutMs = 10_000 } = options;
  const {
    hubLimits,
    storeLimits,
    reserveBytes,
    probeModule,
    limits,
    name = `process ${process.pid}`,
    signal,
  } = options;
  checkHubLimits(hubLimits, "hubLimits");
  checkLimits(storeLimits, "storeLimits");
  const access = new Access(directory, {
    clock,
    random,
    timeoutMs: openTimeoutMs,
    ...(hubLimits === undefined ? {} : { hubLimits }),
    ...(storeLimits === undefined ? {} : { storeLimits }),
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
    ...(probeModule === undefined ? {} : { probeModule }),
  });
  const leaving = new AbortController();
  const giveUpMs = clock.monotonicMs() + openTimeoutMs;
  const open = (): Promise<HubBroker> =>
    openHubBroker({
      connect: (closing) => access.connect(closing),
      clock,
      random,
      name,
      limits: {
        ...backoff,
        welcomeTimeoutMs: openTimeoutMs,
        ...limits,
      },
      ...(signal === undefined ? {} : { signal }),
    });
  for (;;) {
    try {
      const broker = await open();
      // Not waited for: an owner that stops just now answers only when it goes on. Where it is refused,
      // a server waits until this process ends.
      onHandOver(broker.topics, () => void access.handOver(), leaving.signal).catch(() => {});
      return embedded(broker, access, leaving);
    } catch (error) {
      // An owner that just ends may still take a link; its successor is near.
      if (isColloquyError(error) && error.retryable && clock.monotonicMs() < giveUpMs) continue;
      await access.close();
      throw isColloquyError(error, "AGENT_UNREACHABLE") ? access.unanswered(error) : error;
    }
  }
}

const optionChecks: Checks<EmbeddedOptions> = {
  name: text,
  clock: aClock,
  random: aRandom,
  openTimeoutMs: aboveZero,
  limits: checkedWithin,
  hubLimits: checkedWithin,
  storeLimits: checkedWithin,
  reserveBytes: wholeNumber(0),
  probeModule: text,
  signal: abortSignal,
};

function embedded(broker: HubBroker, access: Access, leaving: AbortController): EmbeddedBroker {
  return {
    name: `embedded ${access.directory}`,
    get owner() {
      return access.owns;
    },
    get capabilities() {
      return broker.capabilities;
    },
    topics: broker.topics,
    queues: broker.queues,
    store: broker.store,
    log: broker.log,
    statuses: (signal) => broker.statuses(signal),
    close: async () => {
      leaving.abort();
      await broker.close();
      await access.close();
    },
  };
}
