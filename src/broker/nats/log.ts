/**
 * The log: each entry is a message under a subject of its own, which ends in its position. Whoever
 * appends demands that there is none at the first position yet, so of two at once one is refused; more
 * entries than one are an atomic batch.
 */
import { type ColloquyError, errorInfo, isColloquyError } from "../../errors.ts";
import { onAbort, throwIfAborted, withAbort } from "../../runtime/abort.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { sleep } from "../../runtime/sleep.ts";
import type { AppendOutcome, Log, LogEntry, LogReadOptions } from "../broker.ts";
import type { LinkPart, NatsLink } from "./connection.ts";
import { clientError } from "./errors.ts";
import { Feed } from "./feed.ts";
import { forgetOldest } from "./forget-oldest.ts";
import {
  afterConflict,
  jsHeaders,
  lastMatching,
  lastOf,
  publish,
  publishBatch,
  readPage,
  type StoredMessage,
  type StreamMessage,
} from "./jetstream.ts";
import type { Names } from "./names.ts";

/** Streams whose end is kept in mind. */
const endsMax = 1_024;
/** How often an append that lost against others looks for the end again. */
const attemptsMax = 50;
/** How long to wait for a copy that has less than its leader. */
const lagMs = 10;

/** An entry as it lies there. */
interface Place {
  readonly position: number;
  readonly seq: number;
}

export class NatsLog implements Log, LinkPart {
  readonly #link: NatsLink;
  /** Position of the last entry of a stream as far as it is known; others may have appended since. */
  readonly #ends = new Map<string, number>();
  /** The last append of each stream that is on its way: those of one process follow one another. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #followers = new Set<Feed>();
  /** Aborts with the broker object. */
  readonly #closing = new AbortController();

  constructor(link: NatsLink) {
    this.#link = link;
    link.add(this);
  }

  async append(
    stream: string,
    entries: readonly Uint8Array[],
    at?: number,
    signal?: AbortSignal,
  ): Promise<AppendOutcome> {
    this.#link.assertOpen();
    throwIfAborted(signal);
    const before = this.#turns.get(stream);
    const turn = (async () => {
      await withAbort(before ?? Promise.resolve(), signal);
      return await this.#append(stream, entries, at, signal);
    })();
    // Who gives up while it waits for its turn leaves it to the next all the same.
    const ended = Promise.allSettled([before, turn]);
    this.#turns.set(stream, ended);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(stream) === ended) this.#turns.delete(stream);
    }
  }

  async *read(
    stream: string,
    from: number,
    { follow = false }: LogReadOptions,
    signal: AbortSignal,
  ): AsyncGenerator<readonly LogEntry[], void, undefined> {
    this.#link.assertOpen();
    if (follow) {
      yield* this.#follow(stream, from, signal);
      return;
    }
    throwIfAborted(signal);
    const end = await this.#lastOf(stream, signal);
    const begin = await this.#placeOf(stream, from, end, signal);
    if (end === undefined || begin === undefined) return;
    yield* this.#readUntil(stream, begin, end.seq, signal);
  }

  /** The position that the next entry of a stream gets, unless somebody is quicker. */
  async nextOf(stream: string, signal?: AbortSignal): Promise<number> {
    return ((await this.#lastOf(stream, signal))?.position ?? 0) + 1;
  }

  begun(): void {
    for (const follower of this.#followers) void follower.beginAgain();
  }

  lost(): void {
    for (const follower of this.#followers) follower.lost();
  }

  closed(): void {
    for (const follower of this.#followers) follower.stop();
    this.#followers.clear();
    this.#closing.abort(this.#link.failure);
  }

  async #append(
    stream: string,
    entries: readonly Uint8Array[],
    at: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<AppendOutcome> {
    for (let attempt = 1; ; attempt++) {
      const known = attempt === 1 ? this.#ends.get(stream) : undefined;
      // Only who is sure of the end can tell that somebody wants to go beyond it.
      const isKnown = known !== undefined && (at === undefined || at === known + 1);
      const next = isKnown ? known + 1 : await this.nextOf(stream, signal);
      if (at !== undefined && at !== next) return { kind: "conflict", next };
      if (entries.length === 0) return { kind: "appended", position: next };
      try {
        await this.#store(logMessages(this.#link.names, stream, entries, next), signal);
        this.#remember(stream, next + entries.length - 1);
        return { kind: "appended", position: next };
      } catch (error) {
        this.#ends.delete(stream);
        if (!isColloquyError(error, "CONFLICT") || attempt >= attemptsMax) {
          return appendFailure(error);
        }
        await afterConflict(this.#link, attempt, signal);
      }
    }
  }

  #store(messages: readonly StreamMessage[], signal: AbortSignal | undefined) {
    const [first] = messages;
    if (messages.length === 1 && first !== undefined) {
      return publish(this.#link, first, "log.append", { signal, immutable: true });
    }
    return publishBatch(this.#link, messages, "log.append", { signal, immutable: true });
  }

  #remember(stream: string, position: number): void {
    this.#ends.delete(stream);
    this.#ends.set(stream, position);
    forgetOldest(this.#ends, endsMax);
  }

  async *#follow(
    stream: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly LogEntry[], void, undefined> {
    if (signal.aborted) return;
    const ending = AbortSignal.any([signal, this.#closing.signal]);
    // The sequence behind the last entry that was yielded, and that of the last one heard of.
    let next = 0;
    let heard = 0;
    let news = new Deferred();
    let refusal: ColloquyError | undefined;
    const feed = new Feed(this.#link, {
      kind: "state",
      filter: this.#link.names.logEntries(stream),
      headersOnly: true,
      begin: () => next,
      onRefused: (error) => {
        refusal = error;
        news.resolve();
      },
      onMessage: ({ seq }) => {
        heard = seq;
        news.resolve();
      },
    });
    const forget = onAbort(ending, () => news.resolve());
    try {
      const end = await this.#lastOf(stream, ending);
      const begin = await this.#placeOf(stream, from, end, ending);
      next = begin?.seq ?? (end?.seq ?? 0) + 1;
      let position = begin?.position ?? from;
      this.#followers.add(feed);
      await withAbort(feed.begin(), ending);
      while (!ending.aborted) {
        if (refusal !== undefined) throw refusal;
        if (heard < next) {
          await news.promise;
          news = new Deferred();
          continue;
        }
        for await (const entries of this.#readUntil(
          stream,
          { position, seq: next },
          heard,
          ending,
        )) {
          next = (entries.at(-1)?.seq as number) + 1;
          const wanted = entries.filter((entry) => entry.position >= from);
          position = (entries.at(-1)?.position as number) + 1;
          if (wanted.length > 0) yield wanted.map(({ position, data }) => ({ position, data }));
        }
      }
    } catch (error) {
      // Following ends; that the broker is closed is told.
      if (!signal.aborted) throw error;
      return;
    } finally {
      forget();
      feed.stop();
      this.#followers.delete(feed);
    }
    if (!signal.aborted) this.#link.assertOpen();
  }

  /** Entries from a place up to a sequence, which are there. */
  async *#readUntil(
    stream: string,
    begin: Place,
    untilSeq: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly (LogEntry & Place)[], void, undefined> {
    const filter = this.#link.names.logEntries(stream);
    for (let from = begin.seq; from <= untilSeq; ) {
      throwIfAborted(signal);
      const { messages } = await readPage(this.#link, "state", filter, from, signal);
      const entries = messages.map(entryOf);
      const last = entries.at(-1);
      if (last !== undefined) {
        from = last.seq + 1;
        yield entries;
      } else {
        await sleep(this.#link.clock, lagMs, signal);
      }
    }
  }

  async #lastOf(stream: string, signal: AbortSignal | undefined): Promise<Place | undefined> {
    const filter = this.#link.names.logEntries(stream);
    const message = await lastMatching(this.#link, "state", filter, signal);
    return message && entryOf(message);
  }

  /** Where an entry lies; undefined where it does not yet. */
  async #placeOf(
    stream: string,
    position: number,
    end: Place | undefined,
    signal: AbortSignal,
  ): Promise<Place | undefined> {
    if (end === undefined || position > end.position) return undefined;
    const subject = this.#link.names.logEntry(stream, Math.max(1, position));
    const [message] = await lastOf(this.#link, "state", [subject], signal);
    return message && entryOf(message);
  }
}

/** Entries as messages, of which the first is refused where there is one already. */
export function logMessages(
  names: Names,
  stream: string,
  entries: readonly Uint8Array[],
  position: number,
): readonly StreamMessage[] {
  return entries.map((payload, index) => ({
    subject: names.logEntry(stream, position + index),
    payload,
    ...(index === 0 ? { headers: { [jsHeaders.expectedLast]: "0" } } : {}),
  }));
}

function entryOf({ subject, seq, data }: StoredMessage): LogEntry & Place {
  return { position: Number(subject.slice(subject.lastIndexOf(".") + 1)), seq, data };
}

/** @throws what belongs to the call and not to the entries. */
function appendFailure(error: unknown): AppendOutcome {
  const failure = clientError(error, "log.append");
  if (failure.code === "CLOSED" || failure.code === "CANCELLED") throw failure;
  const kind = failure.code === "INDETERMINATE" ? "indeterminate" : "rejected";
  return { kind, error: errorInfo(failure) };
}
