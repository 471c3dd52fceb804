/**
 * Watching the store: the channel of a prefix first, then what is there, then what the channel has told
 * meanwhile and tells from then on. Revisions say what of it is older than what was found.
 *
 * Nobody on the server tells that an entry has ended by its time. Whoever watches one knows when that
 * is, and asks the server then to clear away what has ended, which tells all who watch.
 */
import type { ColloquyError } from "../../errors.ts";
import { onAbort, throwIfAborted, withAbort } from "../../runtime/abort.ts";
import type { Timer } from "../../runtime/clock.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { StoreChange, StoreEntry } from "../broker.ts";
import type { LinkPart, RedisConnection } from "./connection.ts";
import { escapeGlob } from "./names.ts";
import { sweepScript } from "./store-script.ts";
import type { Listening, Subscriptions } from "./subscriptions.ts";

const changeHeadBytes = 17;
/** Timers are not exact, and the server's clock counts whole milliseconds. */
const sweepLateMs = 2;
/** When the server refuses to clear away, it is asked again after this. */
const sweepAgainMs = 1_000;

/** An entry as it is found or told. */
export interface ListedEntry extends StoreEntry {
  /** Milliseconds until it ends; -1 for never. */
  readonly leftMs: number;
}

export interface Watcher {
  readonly change: (changes: readonly StoreChange[]) => void;
  readonly onEnded: ((error: ColloquyError) => void) | undefined;
}

type Told =
  | { readonly kind: "put"; readonly entry: ListedEntry }
  | { readonly kind: "delete"; readonly key: string; readonly revision: number };

type ListEntries = (prefix: string, signal: AbortSignal) => AsyncIterable<readonly ListedEntry[]>;

interface Watch {
  readonly prefix: string;
  readonly watcher: Watcher;
  readonly seen: Deferred;
  listening: Listening | undefined;
  /** What was told before everything that is there was found; undefined afterwards. */
  early: Told[] | undefined;
  /** Aborts the present search. */
  search: AbortController;
}

export class StoreWatches implements LinkPart {
  readonly #connection: RedisConnection;
  readonly #subscriptions: Subscriptions;
  readonly #list: ListEntries;
  readonly #watches = new Set<Watch>();
  #timer: Timer | undefined;
  /** By the monotonic clock. */
  #sweepAtMs = Number.POSITIVE_INFINITY;

  constructor(connection: RedisConnection, subscriptions: Subscriptions, list: ListEntries) {
    this.#connection = connection;
    this.#subscriptions = subscriptions;
    this.#list = list;
    connection.add(this);
  }

  /** Resolves when what is there has been told. @throws what the server refuses; CLOSED, CANCELLED. */
  async watch(prefix: string, watcher: Watcher, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const { names, failure } = this.#connection;
    if (failure !== undefined) throw failure;
    const seen = new Deferred();
    const search = new AbortController();
    const watch: Watch = { prefix, watcher, seen, listening: undefined, early: [], search };
    seen.promise.catch(() => {});
    const watched = names.key("w", "");
    watch.listening = this.#subscriptions.listen(`${escapeGlob(watched + prefix)}*`, true, {
      receive: (message, channel) => {
        this.#told(watch, toldBy(message, channel.toString().slice(watched.length)));
      },
      onEnded: (error) => this.#end(watch, error),
    });
    onAbort(signal, () => this.#end(watch, undefined));
    await withAbort(watch.listening.inForce, signal);
    this.#watches.add(watch);
    if (this.#connection.link !== undefined) this.#search(watch, false);
    await withAbort(seen.promise, signal);
  }

  /** All start over: what was told meanwhile is lost. */
  ready(): void {
    for (const watch of this.#watches) this.#search(watch, true);
    this.#sweepIn(0);
  }

  lost(): void {
    this.#timer?.cancel();
    this.#sweepAtMs = Number.POSITIVE_INFINITY;
    for (const watch of this.#watches) {
      watch.search.abort();
      watch.early = [];
    }
  }

  closed(error: ColloquyError): void {
    this.#timer?.cancel();
    for (const watch of this.#watches) this.#end(watch, error);
  }

  #search(watch: Watch, again: boolean): void {
    watch.search = new AbortController();
    const { signal } = watch.search;
    this.#find(watch, again, signal).catch((error: ColloquyError) => {
      // Aborted by a lost link, after which it is begun again, or by the end of the watch.
      if (!signal.aborted) this.#end(watch, error);
    });
  }

  async #find(watch: Watch, again: boolean, signal: AbortSignal): Promise<void> {
    const revisions = new Map<string, number>();
    if (again) watch.watcher.change([{ kind: "reset" }]);
    for await (const entries of this.#list(watch.prefix, signal)) {
      if (signal.aborted) return;
      for (const { key, revision } of entries) revisions.set(key, revision);
      this.#tell(
        watch,
        entries.map((entry) => ({ kind: "put", entry })),
      );
    }
    if (signal.aborted) return;
    const early = watch.early ?? [];
    watch.early = undefined;
    const news = early.filter((told) => isNews(told, revisions));
    if (news.length > 0) this.#tell(watch, news);
    watch.seen.resolve();
  }

  #told(watch: Watch, told: Told | undefined): void {
    if (told === undefined) return;
    if (watch.early === undefined) this.#tell(watch, [told]);
    else watch.early.push(told);
  }

  #tell(watch: Watch, changes: readonly Told[]): void {
    for (const told of changes) {
      if (told.kind === "put" && told.entry.leftMs >= 0) this.#sweepIn(told.entry.leftMs);
    }
    watch.watcher.change(changes.map(changeOf));
  }

  #end(watch: Watch, error: ColloquyError | undefined): void {
    watch.listening?.end();
    watch.search.abort();
    const watched = this.#watches.delete(watch);
    if (error === undefined) return;
    watch.seen.reject(error);
    if (watched && error.code !== "CLOSED") watch.watcher.onEnded?.(error);
  }

  #sweepIn(delayMs: number): void {
    const { clock } = this.#connection;
    const atMs = clock.monotonicMs() + delayMs + sweepLateMs;
    if (atMs >= this.#sweepAtMs || this.#watches.size === 0) return;
    this.#sweepAtMs = atMs;
    this.#timer?.cancel();
    this.#timer = clock.setTimer(delayMs + sweepLateMs, () => {
      this.#sweepAtMs = Number.POSITIVE_INFINITY;
      void this.#sweep();
    });
  }

  async #sweep(): Promise<void> {
    const { link, names } = this.#connection;
    if (link === undefined || this.#watches.size === 0) return;
    try {
      const next = await link.evaluate(sweepScript, [names.key("s", "n")], []);
      if (typeof next === "number" && next >= 0) this.#sweepIn(next);
    } catch {
      // After a lost link it is begun again.
      if (this.#connection.link === link) this.#sweepIn(sweepAgainMs);
    }
  }
}

/** What was told while everything was searched for, and is not older than what was found. */
function isNews(told: Told, revisions: Map<string, number>): boolean {
  const { key, revision } = told.kind === "put" ? told.entry : told;
  const known = revisions.get(key);
  if (told.kind === "put") revisions.set(key, Math.max(known ?? 0, revision));
  // The end of what was never told is no news.
  return told.kind === "put" ? revision > (known ?? 0) : known !== undefined && revision > known;
}

function toldBy(message: Buffer, key: string): Told | undefined {
  if (message.length < changeHeadBytes) return undefined;
  const revision = message.readDoubleBE(1);
  if (message[0] === 0) return { kind: "delete", key, revision };
  const leftMs = message.readDoubleBE(9);
  const value = message.subarray(changeHeadBytes);
  return { kind: "put", entry: { key, value, revision, leftMs } };
}

function changeOf(told: Told): StoreChange {
  if (told.kind === "delete") return { kind: "delete", key: told.key };
  const { key, value, revision } = told.entry;
  return { kind: "put", key, value, revision };
}
