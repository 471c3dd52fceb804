/** A broker in this process only; nothing is kept when it ends. */
import {
  aClock,
  type Checks,
  checkedWithin,
  checkOptions,
  text,
  wholeNumber,
} from "../message/checks.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import type { Broker } from "./broker.ts";
import { type Engine, openEngine } from "./engine/engine.ts";
import type { EngineLimits } from "./engine/limits.ts";
import { MemoryStorage } from "./engine/memory-storage.ts";

export interface MemoryBrokerOptions {
  /** For people. Default: "memory". */
  readonly name?: string;
  /** Bytes of all that is kept; beyond them nothing more is taken in. Default: 1 GiB. */
  readonly bytesMax?: number;
  readonly limits?: Partial<EngineLimits>;
  /** Default: the real one. */
  readonly clock?: Clock;
}

export interface MemoryBroker extends Broker {
  /** Another broker object over the same queues, topics, store and log, as another process has one. */
  connect(name?: string): Broker;
}

const optionChecks: Checks<MemoryBrokerOptions> = {
  name: text,
  bytesMax: wholeNumber(1),
  limits: checkedWithin,
  clock: aClock,
};

/**
 * Opens a broker with durability "none". What it holds is gone once it and every broker object that
 * `connect` gave out are closed.
 *
 * @throws INVALID_OPTION naming the option.
 */
export function openMemoryBroker(options: MemoryBrokerOptions = {}): MemoryBroker {
  checkOptions(options, optionChecks);
  const { name = "memory", bytesMax, limits = {}, clock = systemClock } = options;
  const storage = new MemoryStorage(bytesMax === undefined ? {} : { bytesMax });
  const engine = openEngine({ storage, clock, name, limits });
  let open = 0;
  const connect = (connectionName: string = name): Broker => {
    open++;
    return counted(engine, engine.connect(connectionName), () => --open === 0);
  };
  return { ...connect(), connect };
}

/** Closes the engine with the last of its broker objects. */
function counted(engine: Engine, broker: Broker, isLast: () => boolean): Broker {
  const { name, capabilities, topics, queues, store, log } = broker;
  let closed = false;
  return {
    name,
    capabilities,
    topics,
    queues,
    store,
    log,
    statuses: (signal) => broker.statuses(signal),
    close: async () => {
      if (closed) return;
      closed = true;
      await broker.close();
      if (isLast()) await engine.close();
    },
  };
}
