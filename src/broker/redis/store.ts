/** Keyed state: see store-script.ts for how it lies on the server. */

import type { ColloquyError } from "../../errors.ts";
import { throwIfAborted } from "../../runtime/abort.ts";
import type { Store, StoreChange, StoreEntry, StorePutOutcome, StoreWrite } from "../broker.ts";
import { frameArgument, type RedisArgument } from "./client.ts";
import type { RedisConnection } from "./connection.ts";
import { failedOutcome } from "./outcomes.ts";
import { onceScript, readScript } from "./script.ts";
import { storeLibrary } from "./store-script.ts";
import { type ListedEntry, StoreWatches } from "./store-watches.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** KEYS[2]: one of the store's. ARGV from 3: base, session, writes. */
const put = onceScript(
  "put",
  `local base, session = ARGV[3], ARGV[4]
${storeLibrary}
local at, count = now(), (#ARGV - 4) / 5
local key, revision = storeConflict(ARGV, 5, count, at, {})
if key then return {'conflict', key, revision} end
return {'stored', storeWriteAll(ARGV, 5, count, session, at)}`,
);

/** ARGV: base, keys. For each a value and a revision, or two times nothing. */
const get = readScript(
  "get",
  `local base = ARGV[1]
${storeLibrary}
local at, found = now(), {}
for index = 2, #ARGV do
  local revision = storeRevision(ARGV[index], at)
  found[#found + 1] = revision > 0 and redis.call('HGET', base .. 's:v', ARGV[index])
  found[#found + 1] = revision
end
return found`,
);

/**
 * ARGV: base, where to begin in the order of keys, where to end, entries and bytes at a time. The key
 * to go on behind, or nothing; then key, value, revision, and ms until it ends or -1, of each entry.
 */
const list = readScript(
  "list",
  `local base, countMax, bytesMax = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
${storeLibrary}
local at, bytes, found = now(), 0, {''}
local keys = redis.call('ZRANGEBYLEX', base .. 's:k', ARGV[2], ARGV[3], 'LIMIT', 0, countMax)
for index, key in ipairs(keys) do
  local revision = storeRevision(key, at)
  if revision > 0 then
    local value = redis.call('HGET', base .. 's:v', key)
    local ends = redis.call('ZSCORE', base .. 's:x', key)
    found[#found + 1] = key
    found[#found + 1] = value
    found[#found + 1] = revision
    found[#found + 1] = ends and tonumber(ends) - at or -1
    bytes = bytes + #value
  end
  if bytes >= bytesMax or index == countMax then
    found[1] = key
    break
  end
end
return found`,
);

const listEntriesMax = 256;
const listBytes = 2 ** 20;

export class RedisStore implements Store {
  readonly #connection: RedisConnection;
  readonly #watches: StoreWatches;

  constructor(connection: RedisConnection, subscriptions: Subscriptions) {
    this.#connection = connection;
    connection.add({}, [put, get, list]);
    const listed = (prefix: string, signal: AbortSignal) => this.listed(prefix, signal);
    this.#watches = new StoreWatches(connection, subscriptions, listed);
  }

  async get(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly (StoreEntry | undefined)[]> {
    const { names } = this.#connection;
    const parameters = [names.base, ...keys];
    const found = await this.#connection.read(get, [storeKey(names)], parameters, { signal });
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
    const parameters = [names.base, session, ...writes.flatMap(writeArguments)];
    try {
      const answer = await this.#connection.once(put, [storeKey(names)], parameters, { signal });
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
      const parameters = [names.base, begin, end, ...limits];
      const found = await this.#connection.read(list, [storeKey(names)], parameters, { signal });
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
