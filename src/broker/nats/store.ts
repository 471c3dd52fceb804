/**
 * The store over two streams: what is kept, and what is volatile. A put first reads what there is of its
 * keys in both, decides, and writes under the sequences that it saw.
 *
 * Writes to one stream are one atomic batch. A put that touches both (volatile entries beside others, or
 * an entry that changes from one to the other) is two: what becomes of the second is told as
 * indeterminate where it fails after the first.
 */
import { ColloquyError, errorInfo, isColloquyError } from "../../errors.ts";
import { throwIfAborted } from "../../runtime/abort.ts";
import type { Store, StoreChange, StoreEntry, StorePutOutcome, StoreWrite } from "../broker.ts";
import type { LinkPart, NatsLink } from "./connection.ts";
import {
  compareKeys,
  deleteHeaders,
  type EntryKind,
  type EntryRecord,
  liveEntry,
  recordOf,
} from "./entries.ts";
import { clientError } from "./errors.ts";
import { afterConflict, jsHeaders, lastOf, publish, publishBatch, readPage } from "./jetstream.ts";
import { type PutConflict, type PutPlan, planPut } from "./put-plan.ts";
import { StoreWatch } from "./store-watch.ts";

const nothing = new Uint8Array();
/** Entries that a list yields at a time. */
const chunkEntries = 256;
/** How often a put that lost against others looks again. */
const attemptsMax = 50;

/** What a key has in either stream. */
export type KeyRecords = Readonly<Record<EntryKind, EntryRecord | undefined>>;

export class NatsStore implements Store, LinkPart {
  readonly #link: NatsLink;
  readonly #watches = new Set<StoreWatch>();
  /** Revisions of the entries that end with this process. */
  readonly #bound = new Map<string, number>();

  constructor(link: NatsLink) {
    this.#link = link;
    link.add(this);
  }

  async get(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly (StoreEntry | undefined)[]> {
    this.#link.assertOpen();
    throwIfAborted(signal);
    if (keys.length === 0) return [];
    const records = await this.#lookUp(keys, signal);
    return records.map((record) => currentEntry(record, this.#link.serverNowMs()));
  }

  async put(writes: readonly StoreWrite[], signal?: AbortSignal): Promise<StorePutOutcome> {
    this.#link.assertOpen();
    throwIfAborted(signal);
    if (writes.length === 0) return { kind: "stored", revisions: [] };
    for (let attempt = 1; ; attempt++) {
      const plan = await this.plan(writes, signal);
      if (plan.kind === "conflict") return plan;
      try {
        const revisions = await this.#execute(plan, signal);
        this.#noteBound(writes, revisions);
        return { kind: "stored", revisions };
      } catch (error) {
        if (!isColloquyError(error, "CONFLICT") || attempt >= attemptsMax) return putFailure(error);
        await afterConflict(this.#link, attempt, signal);
      }
    }
  }

  /**
   * What writes come to by what there is now: for whoever stores them together with something else. The
   * messages hold only as long as nobody else writes; then the server refuses those that asked.
   */
  async plan(writes: readonly StoreWrite[], signal?: AbortSignal): Promise<PutPlan | PutConflict> {
    const keys = [...new Set(writes.map(({ key }) => key))];
    const found = await this.#lookUp(keys, signal);
    const records = new Map(keys.map((key, index) => [key, found[index] as KeyRecords]));
    return planPut(this.#link.names, writes, records, this.#link.serverNowMs());
  }

  async *list(
    prefix: string,
    signal: AbortSignal,
  ): AsyncGenerator<readonly StoreEntry[], void, undefined> {
    this.#link.assertOpen();
    throwIfAborted(signal);
    const [kept, volatile] = await Promise.all([
      this.#readAll("state", prefix, signal),
      this.#readAll("volatile", prefix, signal),
    ]);
    const nowMs = this.#link.serverNowMs();
    const keys = [...new Set([...kept.keys(), ...volatile.keys()])].sort(compareKeys);
    const entries = keys.flatMap((key) => {
      const records = { state: kept.get(key), volatile: volatile.get(key) };
      return currentEntry(records, nowMs) ?? [];
    });
    for (let begin = 0; begin < entries.length; begin += chunkEntries) {
      throwIfAborted(signal);
      yield entries.slice(begin, begin + chunkEntries);
    }
  }

  async watch(
    prefix: string,
    change: (changes: readonly StoreChange[]) => void,
    signal: AbortSignal,
    onEnded?: (error: ColloquyError) => void,
  ): Promise<void> {
    this.#link.assertOpen();
    throwIfAborted(signal);
    const watch = new StoreWatch(this.#link, prefix, change, onEnded);
    this.#watches.add(watch);
    await watch.open(signal, () => this.#watches.delete(watch));
  }

  begun(): void {
    for (const watch of this.#watches) watch.begun();
  }

  lost(): void {
    for (const watch of this.#watches) watch.lost();
  }

  /** Entries that end with this process end now, unless somebody has written them since. */
  async closing(): Promise<void> {
    const link = this.#link;
    const bound = [...this.#bound];
    this.#bound.clear();
    await Promise.allSettled(
      bound.map(([key, revision]) => {
        const headers = { ...deleteHeaders(key), [jsHeaders.expectedLast]: `${revision}` };
        const message = { subject: link.names.entry("volatile", key), payload: nothing, headers };
        return publish(link, message, "store.close");
      }),
    );
  }

  closed(): void {
    for (const watch of this.#watches) watch.stop();
    this.#watches.clear();
  }

  async #lookUp(keys: readonly string[], signal: AbortSignal | undefined): Promise<KeyRecords[]> {
    const { names } = this.#link;
    const last = async (kind: EntryKind) => {
      const subjects = keys.map((key) => names.entry(kind, key));
      const messages = await lastOf(this.#link, kind, subjects, signal);
      return messages.map((message) => message && recordOf(names, kind, message));
    };
    const [kept, volatile] = await Promise.all([last("state"), last("volatile")]);
    return keys.map((_, index) => ({ state: kept[index], volatile: volatile[index] }));
  }

  /** @returns the revision of each write. */
  async #execute(plan: PutPlan, signal: AbortSignal | undefined): Promise<readonly number[]> {
    const revisions = new Array<number>(plan.writes).fill(0);
    for (const [index, { messages }] of plan.steps.entries()) {
      try {
        const { seq } = await this.#store(messages, signal);
        for (const [at, { write }] of messages.entries()) {
          if (write !== undefined) revisions[write] = seq - (messages.length - 1 - at);
        }
      } catch (error) {
        throw index === 0 ? error : halfDone(error);
      }
    }
    return revisions;
  }

  #store(messages: PutPlan["steps"][number]["messages"], signal: AbortSignal | undefined) {
    const [first] = messages;
    if (messages.length === 1 && first !== undefined) {
      return publish(this.#link, first, "store.put", signal);
    }
    return publishBatch(this.#link, messages, "store.put", signal);
  }

  #noteBound(writes: readonly StoreWrite[], revisions: readonly number[]): void {
    for (const [index, { key, value, bound }] of writes.entries()) {
      if (bound === true && value !== undefined) this.#bound.set(key, revisions[index] as number);
      else this.#bound.delete(key);
    }
  }

  async #readAll(
    kind: EntryKind,
    prefix: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, EntryRecord>> {
    const { names } = this.#link;
    const filter = names.entries(kind, prefix);
    const records = new Map<string, EntryRecord>();
    for (let from = 1, pending = 1; pending > 0; ) {
      const page = await readPage(this.#link, kind, filter, from, signal);
      for (const message of page.messages) {
        const record = recordOf(names, kind, message);
        if (record.key.startsWith(prefix)) records.set(record.key, record);
        from = message.seq + 1;
      }
      pending = page.messages.length === 0 ? 0 : page.pending;
    }
    return records;
  }
}

/** Where both streams have one, an entry was just being moved from one to the other. */
export function currentEntry(records: KeyRecords, nowMs: number): StoreEntry | undefined {
  return liveEntry(records.volatile, nowMs) ?? liveEntry(records.state, nowMs);
}

function halfDone(error: unknown): ColloquyError {
  const message =
    "nats: store.put: its writes to one stream were made, those to the other were not";
  return new ColloquyError("INDETERMINATE", message, { cause: error });
}

/** @throws what belongs to the call and not to the writes. */
function putFailure(error: unknown): StorePutOutcome {
  const failure = clientError(error, "store.put");
  if (failure.code === "CLOSED" || failure.code === "CANCELLED") throw failure;
  const kind = failure.code === "INDETERMINATE" ? "indeterminate" : "rejected";
  return { kind, error: errorInfo(failure) };
}
