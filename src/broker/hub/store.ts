/** The Store of a hub. */
import { type ColloquyError, isColloquyError } from "../../errors.ts";
import type { Store, StoreChange, StoreEntry, StorePutOutcome, StoreWrite } from "../broker.ts";
import type { Calls } from "./calls.ts";
import { readCursor } from "./cursor.ts";

export class HubStore implements Store {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  async get(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly (StoreEntry | undefined)[]> {
    const entries = await this.#calls.call("store.get", { keys }, { signal, repeatable: true });
    return (entries as readonly (StoreEntry | null)[]).map((entry) => entry ?? undefined);
  }

  async put(writes: readonly StoreWrite[], signal?: AbortSignal): Promise<StorePutOutcome> {
    const plain = writes.map(plainWrite);
    try {
      const repeatable = writes.every(isRepeatable);
      // Signs of life, which must not look late because much else is being sent.
      const urgent = writes.every(({ bound }) => bound === true);
      const options = { signal, repeatable, urgent };
      return (await this.#calls.call("store.put", { writes: plain }, options)) as StorePutOutcome;
    } catch (error) {
      return notStored(error);
    }
  }

  list(prefix: string, signal: AbortSignal): AsyncIterable<readonly StoreEntry[]> {
    return readCursor<StoreEntry>(this.#calls, {
      method: "store.list",
      from: (last) => ({ prefix, after: last?.key ?? "" }),
      signal,
    });
  }

  async watch(
    prefix: string,
    change: (changes: readonly StoreChange[]) => void,
    signal: AbortSignal,
    onEnded?: (error: ColloquyError) => void,
  ): Promise<void> {
    await this.#calls.call(
      "store.watch",
      { prefix },
      {
        signal,
        repeatable: true,
        onNote: (changes) => change(changes as readonly StoreChange[]),
        onEnded,
      },
    );
  }
}

/** What is kept in memory only is put by one process again and again, and the last time counts. */
function isRepeatable(write: StoreWrite): boolean {
  return write.volatile === true && write.ifRevision === undefined;
}

function notStored(error: unknown): StorePutOutcome {
  if (isColloquyError(error, "INDETERMINATE"))
    return { kind: "indeterminate", error: error.toJSON() };
  if (isColloquyError(error, "MESSAGE_TOO_LARGE"))
    return { kind: "rejected", error: error.toJSON() };
  throw error;
}

/** Members that are undefined are left out: they are not plain data. */
function plainWrite({ key, value, ifRevision, ttlMs, volatile, bound }: StoreWrite): StoreWrite {
  return {
    key,
    ...(value === undefined ? {} : { value }),
    ...(ifRevision === undefined ? {} : { ifRevision }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(volatile === undefined ? {} : { volatile }),
    ...(bound === undefined ? {} : { bound }),
  };
}
