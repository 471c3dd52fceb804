/** Keyed state: see store-script.ts for how it lies on the server. */

import type { ColloquyError } from "../../errors.ts";
import { throwIfAborted } from "../../runtime/abort.ts";
import type { Store, StoreChange, StoreEntry, StorePutOutcome, StoreWrite } from "../broker.ts";
import { frameArgument, type RedisArgument } from "./client.ts";
import type { RedisConnection } from "./connection.ts";
import { failedOutcome } from "./outcomes.ts";
import { getScript, listScript, putScript } from "./store-script.ts";
import { type ListedEntry, StoreWatches } from "./store-watches.ts";
import type { Subscriptions } from "./subscriptions.ts";

const listEntriesMax = 256;
const listBytes = 2 ** 20;

export class RedisStore implements Store {
  readonly #connection: RedisConnection;
  readonly #watches: StoreWatches;

  constructor(connection: RedisConnection, subscriptions: Subscriptions) {
    this.#connection = connection;
    const listed = (prefix: string, signal: AbortSignal) => this.listed(prefix, signal);
    this.#watches = new StoreWatches(connection, subscriptions, listed);
  }

  async get(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly (StoreEntry | undefined)[]> {
    const { names } = this.#connection;
    const found = await this.#connection.read(getScript, [storeKey(names)], keys, { signal });
    const parts = found as readonly (Buffer | number | null)[];
    return keys.map((key, index) => {
      const value = parts[2 * index];
      const revision = parts[2 * index + 1];
      if (!(value instanceof Uint8Array) || typeof revision !== "number") return undefined;
      return { key, value, revision };
    });
  }

  async put(writes: readonly StoreWrite[], signal?: AbortSignal): Promise<StorePutOutcome> {
    throwIfAborted(signal);
    if (writes.length === 0) return { kind: "stored", revisions: [] };
    const { names, session } = this.#connection;
    const parameters = [session, ...writes.flatMap(writeArguments)];
    try {
      const keys = [storeKey(names)];
      const answer = await this.#connection.once(putScript, keys, parameters, { signal });
      const [kind, ...rest] = answer as [Buffer, ...unknown[]];
      if (String(kind) === "stored") {
        return { kind: "stored", revisions: rest[0] as readonly number[] };
      }
      const [key, revision] = rest as [Buffer, number];
      return { kind: "conflict", key: key.toString(), revision };
    } catch (error) {
      return failedOutcome(error);
    }
  }

  async *list(
    prefix: string,
    signal: AbortSignal,
  ): AsyncGenerator<readonly StoreEntry[], void, undefined> {
    for await (const entries of this.listed(prefix, signal)) {
      yield entries.map(({ key, value, revision }) => ({ key, value, revision }));
    }
  }

  watch(
    prefix: string,
    change: (changes: readonly StoreChange[]) => void,
    signal: AbortSignal,
    onEnded?: (error: ColloquyError) => void,
  ): Promise<void> {
    return this.#watches.watch(prefix, { change, onEnded }, signal);
  }

  /** The entries of a prefix in order, in parts that are not empty. */
  async *listed(
    prefix: string,
    signal: AbortSignal,
  ): AsyncGenerator<readonly ListedEntry[], void, undefined> {
    const { names } = this.#connection;
    const limits = [String(listEntriesMax), String(listBytes)];
    // No byte of UTF-8 is as high as the one behind the prefix.
    const end = prefix === "" ? "+" : Buffer.concat([Buffer.from(`(${prefix}`), highest]);
    for (let begin: RedisArgument = prefix === "" ? "-" : `[${prefix}`; ; ) {
      const parameters = [begin, end, ...limits];
      const keys = [storeKey(names)];
      const found = await this.#connection.read(listScript, keys, parameters, { signal });
      const [behind, ...parts] = found as [Buffer, ...(Buffer | number)[]];
      const entries = listedEntries(parts);
      if (entries.length > 0) yield entries;
      if (behind.length === 0) return;
      begin = `(${behind.toString()}`;
    }
  }
}

const highest = Buffer.of(255);

/** Any of its keys: it only says to a cluster where the store lies. */
function storeKey(names: RedisConnection["names"]): string {
  return names.key("s", "n");
}

/** What the scripts of store-script.ts take for a write. */
export function writeArguments(write: StoreWrite): readonly RedisArgument[] {
  const { key, value, ifRevision, ttlMs, volatile, bound } = write;
  const kept = bound === true ? "b" : volatile === true ? "v" : "p";
  return [
    key,
    value === undefined ? "d" : kept,
    value === undefined ? "" : frameArgument(value),
    ifRevision === undefined ? "" : String(ifRevision),
    ttlMs === undefined ? "" : String(ttlMs),
  ];
}

function listedEntries(parts: readonly (Buffer | number)[]): readonly ListedEntry[] {
  const entries: ListedEntry[] = [];
  for (let index = 0; index < parts.length; index += 4) {
    const [key, value, revision, leftMs] = parts.slice(index, index + 4);
    entries.push({
      key: String(key),
      value: value as Buffer,
      revision: revision as number,
      leftMs: leftMs as number,
    });
  }
  return entries;
}
