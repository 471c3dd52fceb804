/** The store of a directory, for a hub to share. */
import { openMemoryBroker } from "../../broker/memory.ts";
import type { ColloquyError } from "../../errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { SharedBroker } from "../shared-broker.ts";

export interface SharedStore extends SharedBroker {
  /** Resolves with the cause when the store is lost; never after `close`. */
  readonly failed: Promise<ColloquyError>;
  /** Commits what was asked for and closes the files. */
  close(): Promise<void>;
}

export async function openSharedStore(
  _directory: string,
  clock: Clock,
  _random: Random,
): Promise<SharedStore> {
  const broker = openMemoryBroker({ clock });
  return {
    failed: new Promise(() => {}),
    connect: (name) => broker.connect(name),
    close: () => broker.close(),
  };
}
