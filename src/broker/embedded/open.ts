/** The embedded broker without a hub: the engine over a store, in this thread and for it alone. */
import { type Clock, systemClock } from "../../runtime/clock.ts";
import type { Broker } from "../broker.ts";
import { type Engine, openEngine } from "../engine/engine.ts";
import type { EngineLimits } from "../engine/limits.ts";
import type { Storage } from "../engine/storage.ts";
import { openSqliteStorage, type SqliteStorageOptions } from "./sqlite-storage.ts";

export interface StoreBrokerOptions extends SqliteStorageOptions {
  /** For people. Default: "store" and the directory. */
  readonly name?: string;
  readonly limits?: Partial<EngineLimits>;
  /** Default: the real one. */
  readonly clock?: Clock;
}

export interface StoreBroker extends Broker {
  /** Another broker object over the same queues, topics, store and log, as another process has one. */
  connect(name?: string): Broker;
  /** Also closes every broker object that `connect` gave out, and releases the directory. */
  close(): Promise<void>;
}

/**
 * Opens the store in `directory`, made if it is not there, as a broker. Every commit stops this thread
 * until it is flushed: for tools and tests; processes that share a directory go through a hub.
 *
 * @throws CONFLICT, INVALID_VERSION, STORE_FAILED as `openSqliteStorage` does; INVALID_OPTION.
 */
export function openStoreBroker(directory: string, options: StoreBrokerOptions = {}): StoreBroker {
  const { name = `store ${directory}`, limits = {}, clock = systemClock } = options;
  const storage = openSqliteStorage(directory, options);
  const engine = engineOver(storage, { clock, name, limits });
  const broker = engine.connect();
  const { capabilities, topics, queues, store, log } = broker;
  return {
    name,
    capabilities,
    topics,
    queues,
    store,
    log,
    statuses: (signal) => broker.statuses(signal),
    connect: (connectionName) => engine.connect(connectionName),
    close: () => engine.close(),
  };
}

type EngineSettings = Required<Pick<StoreBrokerOptions, "clock" | "name" | "limits">>;

/** An engine that cannot be opened must not keep the directory. */
function engineOver(storage: Storage, settings: EngineSettings): Engine {
  try {
    return openEngine({ storage, ...settings });
  } catch (error) {
    storage.close();
    throw error;
  }
}
