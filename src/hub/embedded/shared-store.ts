/** The store of a directory, or one in memory, for a hub to share. */
import { openStoreEngine, type StoreBrokerOptions } from "../../broker/embedded/open.ts";
import { type MemoryBrokerOptions, openMemoryBroker } from "../../broker/memory.ts";
import type { ColloquyError } from "../../errors.ts";
import type { SharedBroker } from "../shared-broker.ts";

export interface SharedStore extends SharedBroker {
  /** Resolves with the cause when the store is lost; never after `close`. */
  readonly failed: Promise<ColloquyError>;
  /** Commits what was asked for and closes the files, for the next owner to go on. */
  close(): Promise<void>;
}

/** @throws INVALID_OPTION, STORE_FAILED, INVALID_VERSION, or CONFLICT while somebody else has the files open. */
export function openSharedStore(
  directory: string,
  options: Pick<StoreBrokerOptions, "clock" | "limits" | "reserveBytes">,
): SharedStore {
  const engine = openStoreEngine(directory, { ...options, name: `embedded ${directory}` });
  return {
    failed: engine.failed,
    connect: () => engine.connect(),
    close: () => engine.close({ handOver: true }),
  };
}

/** Nothing of it is kept when it is closed. @throws INVALID_OPTION naming a limit. */
export function openSharedMemory(
  options: Pick<MemoryBrokerOptions, "clock" | "limits">,
): SharedStore {
  const broker = openMemoryBroker(options);
  return {
    // Memory is not lost as long as its process runs.
    failed: new Promise(() => {}),
    connect: () => broker.connect(),
    close: () => broker.close(),
  };
}
