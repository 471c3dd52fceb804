/**
 * Watchers of entries. Each is told to forget, then what is there in order of key, then what changes.
 * While it is still being told what is there, changes behind the key it has come to are left out: it
 * comes to them with their newest value.
 */
import type { Clock } from "../../runtime/clock.ts";
import type { StoreChange } from "../broker.ts";
import type { EntryList } from "./entries.ts";
import { compareNames } from "./names.ts";

type Tell = (changes: readonly StoreChange[]) => void;

interface Watcher {
  readonly prefix: string;
  readonly tell: Tell;
  /** Told up to this key; undefined when told all that was there. */
  cursor: string | undefined;
  ended: boolean;
}

export interface WatchersOptions {
  readonly clock: Clock;
  /** Entries after a key, in order, some of them, and the key to go on after. */
  readonly list: (prefix: string, after: string) => EntryList;
}

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #watchers = new Set<Watcher>();

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  /** @param ready - called once all that was there has been told. @returns ends it. */
  add(prefix: string, tell: Tell, ready: (error: unknown) => void): () => void {
    const watcher: Watcher = { prefix, tell, cursor: "", ended: false };
    this.#watchers.add(watcher);
    tell([{ kind: "reset" }]);
    this.#tellPresent(watcher, ready);
    return () => {
      watcher.ended = true;
      this.#watchers.delete(watcher);
    };
  }

  changed(changes: readonly StoreChange[]): void {
    for (const { prefix, tell, cursor } of this.#watchers) {
      const seen = changes.filter(
        (change) =>
          change.kind !== "reset" &&
          change.key.startsWith(prefix) &&
          (cursor === undefined || compareNames(change.key, cursor) <= 0),
      );
      if (seen.length > 0) tell(seen);
    }
  }

  /** A part at a time, so that a large store does not hold up the rest. */
  #tellPresent(watcher: Watcher, ready: (error: unknown) => void): void {
    if (watcher.ended) return;
    try {
      const { entries, last } = this.#options.list(watcher.prefix, watcher.cursor ?? "");
      watcher.cursor = last;
      if (entries.length > 0) watcher.tell(entries.map((entry) => ({ kind: "put", ...entry })));
      if (last === undefined) ready(undefined);
      else this.#options.clock.defer(() => this.#tellPresent(watcher, ready));
    } catch (error) {
      this.#watchers.delete(watcher);
      ready(error);
    }
  }
}
