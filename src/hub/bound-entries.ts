/**
 * Entries of the store that end with the client that wrote them. They belong to the client, not to
 * one of its sessions: a session that takes another's place takes them over.
 */
import type { Broker, Store, StorePutOutcome, StoreWrite } from "../broker/broker.ts";
import { withAbort } from "../runtime/abort.ts";

export class BoundEntries {
  /** By key: the revision that this client gave the entry. */
  #revisions = new Map<string, number>();
  /** What is being put: nobody waits for some of it any more, and it may still be stored. */
  readonly #putting = new Set<Promise<unknown>>();

  put(store: Store, writes: readonly StoreWrite[], signal: AbortSignal): Promise<StorePutOutcome> {
    const putting = store.put(writes).then((outcome) => this.#note(writes, outcome));
    this.#putting.add(putting);
    const forget = () => this.#putting.delete(putting);
    putting.then(forget, forget);
    return withAbort(putting, signal);
  }

  /** The client is gone. What others have written since stays. Never rejects. */
  async dropAll({ store }: Broker): Promise<void> {
    await Promise.allSettled(this.#putting);
    const revisions = this.#revisions;
    this.#revisions = new Map();
    if (store === undefined) return;
    const drops = [...revisions].map(([key, ifRevision]) =>
      store.put([{ key, ifRevision, volatile: true }]),
    );
    await Promise.allSettled(drops);
  }

  #note(writes: readonly StoreWrite[], outcome: StorePutOutcome): StorePutOutcome {
    if (outcome.kind !== "stored") return outcome;
    for (const [index, { key, value, bound }] of writes.entries()) {
      if (bound !== true || value === undefined) this.#revisions.delete(key);
      else this.#revisions.set(key, outcome.revisions[index] ?? 0);
    }
    return outcome;
  }
}
