/** The embedded broker without a hub: the engine over a store, in this thread and for it alone. */
import { type Clock, systemClock } from "../../runtime/clock.ts";
import type { Broker } from "../broker.ts";
import { type Engine, openEngine } from "../engine/engine.ts";
import type { EngineLimits } from "../engine/limits.ts";
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
  const { name = `store ${directory}` } = options;
  const engine = openStoreEngine(directory, { ...options, name });
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

/**
 * The engine over the store in `directory`, for whoever shares it further.
 *
 * @throws as `openStoreBroker`; then the directory is free again.
 */
export function openStoreEngine(directory: string, options: StoreBrokerOptions = {}): Engine {
  const { name = `store ${directory}`, limits = {}, clock = systemClock } = options;
  const storage = openSqliteStorage(directory, options);
  try {
    return openEngine({ storage, clock, name, limits });
  } catch (error) {
    storage.close();
    throw error;
  }
}
