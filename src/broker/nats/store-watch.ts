/** One watch of the store: a feed of either stream, made into the changes of one table. */
import { ColloquyError } from "../../errors.ts";
import { onAbort, throwIfAborted, withAbort } from "../../runtime/abort.ts";
import type { Timer } from "../../runtime/clock.ts";
import { Heap } from "../../runtime/heap.ts";
import type { StoreChange, StoreEntry } from "../broker.ts";
import type { NatsLink } from "./connection.ts";
import { type EntryKind, type EntryRecord, liveEntry, recordOf } from "./entries.ts";
import { Feed } from "./feed.ts";
import type { StoredMessage } from "./jetstream.ts";

interface Row {
  readonly records: Record<EntryKind, EntryRecord | undefined>;
  /** Of what was shown last; undefined where nothing is. */
  shown: number | undefined;
}

interface End {
  readonly key: string;
  readonly atMs: number;
}

const kinds = ["state", "volatile"] as const;

export class StoreWatch {
  readonly #link: NatsLink;
  readonly #prefix: string;
  readonly #change: (changes: readonly StoreChange[]) => void;
  readonly #feeds: readonly Feed[];
  readonly #rows = new Map<string, Row>();
  /** Times to live that run; of renewed entries also those that have lost their meaning. */
  readonly #ends = new Heap<End>((a, b) => a.atMs < b.atMs);
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #told = false;
  /** By the server's clock: what is older was there before. */
  #beganAtMs = 0;
  #stopped = false;
  #forget = () => {};
  #onStop = () => {};

  /** @param onRefused - it has ended, as it may not begin again. */
  constructor(
    link: NatsLink,
    prefix: string,
    change: (changes: readonly StoreChange[]) => void,
    onRefused: (error: ColloquyError) => void = () => {},
  ) {
    this.#link = link;
    this.#prefix = prefix;
    this.#change = change;
    this.#feeds = kinds.map(
      (kind) =>
        new Feed(link, {
          kind,
          filter: link.names.entries(kind, prefix),
          begin: () => "last of each subject",
          onBegin: () => this.#startOver(kind),
          onRefused: (error) => this.#refused(error, onRefused),
          onMessage: (message) => this.#received(kind, message),
        }),
    );
  }

  /**
   * Resolves when it is in force.
   *
   * @param onStop - called when it watches no more.
   * @throws CANCELLED; CLOSED; FORBIDDEN.
   */
  async open(signal: AbortSignal, onStop: () => void): Promise<void> {
    this.#onStop = onStop;
    this.#forget = onAbort(signal, () => {
      this.stop();
      onStop();
    });
    try {
      throwIfAborted(signal);
      await withAbort(Promise.all(this.#feeds.map((feed) => feed.begin())), signal);
      if (this.#stopped) throw new ColloquyError("CLOSED", "the broker is closed");
    } catch (error) {
      this.stop();
      onStop();
      throw error;
    }
  }

  begun(): void {
    for (const feed of this.#feeds) void feed.beginAgain();
  }

  lost(): void {
    for (const feed of this.#feeds) feed.lost();
    this.#rows.clear();
    this.#ends.clear();
  }

  stop(): void {
    this.#stopped = true;
    this.#forget();
    this.#timer?.cancel();
    for (const feed of this.#feeds) feed.stop();
  }

  #refused(error: ColloquyError, tell: (error: ColloquyError) => void): void {
    if (this.#stopped) return;
    this.stop();
    this.#onStop();
    tell(error);
  }

  /** One feed has begun: what it had said before is void, what the other has said is told again. */
  #startOver(kind: EntryKind): void {
    if (this.#stopped) return;
    this.#beganAtMs = this.#link.serverNowMs();
    if (!this.#told) return;
    const changes: StoreChange[] = [{ kind: "reset" }];
    const nowMs = this.#link.serverNowMs();
    for (const [key, row] of this.#rows) {
      row.records[kind] = undefined;
      const entry = shownEntry(row, nowMs);
      row.shown = entry?.revision;
      if (entry !== undefined) changes.push({ kind: "put", ...entry });
      else if (!hasRecord(row)) this.#rows.delete(key);
    }
    this.#tell(changes);
  }

  #received(kind: EntryKind, message: StoredMessage): void {
    if (this.#stopped) return;
    const record = recordOf(this.#link.names, kind, message);
    const { key, endsAtMs } = record;
    if (!key.startsWith(this.#prefix)) return;
    const row = this.#rows.get(key) ?? { records: emptyRecords(), shown: undefined };
    this.#rows.set(key, row);
    row.records[kind] = record.value === undefined ? undefined : record;
    if (record.value !== undefined && endsAtMs < Number.POSITIVE_INFINITY) {
      this.#ends.push({ key, atMs: endsAtMs });
      this.#arm();
    }
    if (message.atMs >= this.#beganAtMs && isOver(record, this.#link.serverNowMs())) {
      this.#tellWhatIsOver(record, row);
    }
    const change = this.#show(key, row);
    if (change !== undefined) this.#tell([change]);
  }

  /** It was over before it came here: that it was there is told all the same, and then that it is not. */
  #tellWhatIsOver({ key, value, revision }: EntryRecord, row: Row): void {
    if (value === undefined || row.shown !== undefined) return;
    row.shown = revision;
    this.#tell([{ kind: "put", key, value, revision }]);
  }

  #tell(changes: readonly StoreChange[]): void {
    this.#told = true;
    this.#change(changes);
  }

  /** @returns what is to be told; undefined where nothing has changed. */
  #show(key: string, row: Row): StoreChange | undefined {
    const entry = shownEntry(row, this.#link.serverNowMs());
    const before = row.shown;
    row.shown = entry?.revision;
    if (!hasRecord(row)) this.#rows.delete(key);
    if (entry === undefined) return before === undefined ? undefined : { kind: "delete", key };
    return entry.revision === before ? undefined : { kind: "put", ...entry };
  }

  #arm(): void {
    const first = this.#ends.peek();
    if (first === undefined || first.atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = first.atMs;
    const delayMs = Math.max(0, first.atMs - this.#link.serverNowMs());
    this.#timer = this.#link.clock.setTimer(delayMs, () => this.#expire());
  }

  #expire(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    if (this.#stopped) return;
    const nowMs = this.#link.serverNowMs();
    const changes: StoreChange[] = [];
    for (let end = this.#ends.peek(); end !== undefined && end.atMs <= nowMs; ) {
      this.#ends.pop();
      const row = this.#rows.get(end.key);
      if (row !== undefined) {
        for (const kind of kinds) {
          if ((row.records[kind]?.endsAtMs ?? 0) <= nowMs) row.records[kind] = undefined;
        }
        const change = this.#show(end.key, row);
        if (change !== undefined) changes.push(change);
      }
      end = this.#ends.peek();
    }
    if (changes.length > 0) this.#tell(changes);
    this.#arm();
  }
}

function isOver({ value, endsAtMs }: EntryRecord, nowMs: number): boolean {
  return value !== undefined && endsAtMs <= nowMs;
}

function shownEntry({ records }: Row, nowMs: number): StoreEntry | undefined {
  return liveEntry(records.volatile, nowMs) ?? liveEntry(records.state, nowMs);
}

function hasRecord({ records }: Row): boolean {
  return records.state !== undefined || records.volatile !== undefined;
}

function emptyRecords(): Record<EntryKind, EntryRecord | undefined> {
  return { state: undefined, volatile: undefined };
}
