/** Keyed state and ordered history with plain values, as agents and networks show them. */
import type { StoreChange, Store as StorePort } from "../broker/broker.ts";
import { logOf, storeOf } from "../broker/guarded.ts";
import { errorFromInfo } from "../errors.ts";
import {
  abortSignal,
  aboveZero,
  type Checks,
  checkOptions,
  flag,
  signalOf,
  wholeNumber,
} from "../message/checks.ts";
import type { WaitOptions } from "../runtime/abort.ts";
import { appendConflict, putConflict } from "./effects.ts";
import { packValue, unpackValue } from "./packed.ts";
import type { Site } from "./site.ts";

export interface StoredValue<Value = unknown> {
  readonly key: string;
  readonly value: Value;
  readonly revision: number;
}

export interface PutOptions {
  /** Only if the entry has this revision; 0: only if there is none. Rejects with CONFLICT. */
  readonly ifRevision?: number;
  /** Milliseconds until the entry deletes itself. */
  readonly ttlMs?: number;
  readonly signal?: AbortSignal;
}

export type DeleteOptions = Omit<PutOptions, "ttlMs">;

export interface ReadOptions {
  /** Wait for more instead of ending. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

export interface AppendOptions {
  /** The position the entry must get. Rejects with CONFLICT. */
  readonly at?: number;
  readonly signal?: AbortSignal;
}

/** Of writes that are staged: they are made with others, later. */
export const stagedDeleteChecks: Checks<Pick<PutOptions, "ifRevision">> = {
  ifRevision: wholeNumber(0),
};
export const stagedPutChecks: Checks<Omit<PutOptions, "signal">> = {
  ...stagedDeleteChecks,
  ttlMs: aboveZero,
};
export const stagedAppendChecks: Checks<Omit<AppendOptions, "signal">> = { at: wholeNumber(1) };

const putChecks: Checks<PutOptions> = { ...stagedPutChecks, signal: abortSignal };
const deleteChecks: Checks<DeleteOptions> = { ...stagedDeleteChecks, signal: abortSignal };
const appendChecks: Checks<AppendOptions> = { ...stagedAppendChecks, signal: abortSignal };

const readChecks: Checks<ReadOptions> = { follow: flag, signal: abortSignal };

export interface LogValue<Value = unknown> {
  readonly position: number;
  readonly value: Value;
}

/** What a watcher is told: an entry, its end, or `reset`: forget what was seen, what is there now follows. */
export type StoredChange =
  | { readonly kind: "reset" }
  | ({ readonly kind: "put" } & StoredValue)
  | { readonly kind: "delete"; readonly key: string };

export class KeyedState {
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  async get(key: string, options: WaitOptions = {}): Promise<StoredValue | undefined> {
    const signal = signalOf(options);
    const [entry] = await this.#port.get([this.#site.space.storeKey(key)], signal);
    if (entry === undefined) return undefined;
    return { key, value: unpackValue(entry.value), revision: entry.revision };
  }

  /** @returns the entry's new revision. */
  async put(key: string, value: unknown, options: PutOptions = {}): Promise<number> {
    checkOptions(options, putChecks);
    const { signal, ...conditions } = options;
    return this.#write({ key, value: packValue(value), ...conditions }, signal);
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<void> {
    checkOptions(options, deleteChecks);
    const { signal, ...conditions } = options;
    await this.#write({ key, ...conditions }, signal);
  }

  /** Entries whose key begins with `prefix`, in order of key. */
  async *list(prefix = "", options: WaitOptions = {}): AsyncGenerator<StoredValue> {
    const { space } = this.#site;
    const skip = space.storeKey("").length;
    const signal = signalOf(options) ?? new AbortController().signal;
    for await (const entries of this.#port.list(space.storeKey(prefix), signal)) {
      for (const { key, value, revision } of entries) {
        yield { key: key.slice(skip), value: unpackValue(value), revision };
      }
    }
  }

  /**
   * Calls `change` for what is there now, then for every change, until `signal` aborts. `onError` of the
   * network is told of what it throws, of a value that cannot be read, which is left out, and should
   * the broker be lost and not allow it any more.
   */
  async watch(
    prefix: string,
    change: (change: StoredChange) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { space } = this.#site;
    const skip = space.storeKey("").length;
    await this.#port.watch(
      space.storeKey(prefix),
      (changes) => {
        for (const it of changes) {
          try {
            change(changeOf(it, skip));
          } catch (error) {
            this.#site.onError(error, `watching "${prefix}"`);
          }
        }
      },
      signal,
      (error) => this.#site.onError(error, `watching "${prefix}" ended`),
    );
  }

  get #port(): StorePort {
    return storeOf(this.#site.broker);
  }

  async #write(
    write: { key: string; value?: Uint8Array; ifRevision?: number; ttlMs?: number },
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const key = this.#site.space.storeKey(write.key);
    const outcome = await this.#port.put([{ ...write, key }], signal);
    if (outcome.kind === "stored") return outcome.revisions[0] ?? 0;
    if (outcome.kind === "conflict") throw putConflict(write.key, outcome.revision);
    throw errorFromInfo(outcome.error);
  }
}

function changeOf(change: StoreChange, skip: number): StoredChange {
  if (change.kind === "reset") return change;
  const key = change.key.slice(skip);
  if (change.kind === "delete") return { kind: "delete", key };
  const { value, revision } = change;
  return { kind: "put", key, value: unpackValue(value), revision };
}

export class OrderedHistory {
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  /** @returns the position the entry got; a stream's first is 1. */
  async append(stream: string, value: unknown, options: AppendOptions = {}): Promise<number> {
    const log = logOf(this.#site.broker);
    checkOptions(options, appendChecks);
    const { at, signal } = options;
    const outcome = await log.append(
      this.#site.space.stream(stream),
      [packValue(value)],
      at,
      signal,
    );
    if (outcome.kind === "appended") return outcome.position;
    if (outcome.kind === "conflict") throw appendConflict(stream, outcome.next);
    throw errorFromInfo(outcome.error);
  }

  /** Entries from position `from` on, in order. */
  async *read(stream: string, from = 1, options: ReadOptions = {}): AsyncGenerator<LogValue> {
    const log = logOf(this.#site.broker);
    checkOptions(options, readChecks);
    wholeNumber(1)("from", from);
    const signal = options.signal ?? new AbortController().signal;
    const { follow = false } = options;
    for await (const entries of log.read(
      this.#site.space.stream(stream),
      from,
      { follow },
      signal,
    )) {
      for (const { position, data } of entries) yield { position, value: unpackValue(data) };
    }
  }
}
