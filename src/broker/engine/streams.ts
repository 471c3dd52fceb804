/**
 * Streams of the log. Each group stores what it appends to a stream as rows of up to 128 KiB.
 *
 *   stream row = number u53, next u53             under its name
 *   log row    = { bytes u32, entry } *           a = stream number, b = first position
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { LogEntry } from "../broker.ts";
import type { Counters } from "./counters.ts";
import type { Group, Participant } from "./group.ts";
import { pageBytesMax } from "./page.ts";
import type { Storage, Write } from "./storage.ts";

interface Stream {
  readonly name: string;
  number: number;
  next: number;
}

interface Appended {
  readonly stream: Stream;
  readonly numberBefore: number;
  readonly nextBefore: number;
  readonly entries: Uint8Array[];
}

export interface StreamsOptions {
  readonly storage: Storage;
  readonly counters: Counters;
}

/** Streams whose rows are kept in memory. */
const cachedMax = 10_000;
const writer = new ByteWriter();

export class Streams implements Participant {
  readonly #options: StreamsOptions;
  #cached = new Map<string, Stream>();
  #appended = new Map<string, Appended>();
  readonly #followers = new Map<string, Set<() => void>>();

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** The position that the next entry gets, as the present group sees it. */
  nextOf(name: string): number {
    return this.#find(name).next;
  }

  /** @returns the position of the first entry. */
  append(group: Group, name: string, entries: readonly Uint8Array[]): number {
    const stream = this.#find(name);
    let appended = this.#appended.get(name);
    if (appended === undefined) {
      if (this.#appended.size === 0) group.join(this);
      const { number: numberBefore, next: nextBefore } = stream;
      appended = { stream, numberBefore, nextBefore, entries: [] };
      this.#appended.set(name, appended);
      if (stream.number === 0) stream.number = this.#options.counters.add(group, "stream");
      group.afterwards(() => this.#tell(name));
    }
    const position = stream.next;
    for (const entry of entries) appended.entries.push(entry);
    stream.next += entries.length;
    return position;
  }

  /** Committed entries from position `from` on, some of them; none at the end. */
  read(name: string, from: number): readonly LogEntry[] {
    const { number, next } = this.#find(name);
    if (number === 0 || from >= next) return [];
    const { storage } = this.#options;
    const first = storage.floor("log", number, from)?.b ?? from;
    const rows = storage.scan("log", number, first, number, { rows: 64, bytes: 2 ** 19 });
    const entries: LogEntry[] = [];
    for (const row of rows) {
      const reader = new ByteReader(row.value);
      for (let position = row.b; reader.left > 0; position++) {
        const data = reader.bytes("entry", reader.uint32("bytes"));
        if (position >= from) entries.push({ position, data });
      }
    }
    return entries;
  }

  /** Calls `tell` after every commit that appended to the stream. @returns takes it back. */
  follow(name: string, tell: () => void): () => void {
    let followers = this.#followers.get(name);
    if (followers === undefined) {
      followers = new Set();
      this.#followers.set(name, followers);
    }
    followers.add(tell);
    return () => {
      if (followers.delete(tell) && followers.size === 0) this.#followers.delete(name);
    };
  }

  seal(writes: Write[]): void {
    for (const { stream, nextBefore, entries } of this.#appended.values()) {
      const { name, number, next } = stream;
      let first = nextBefore;
      let position = nextBefore;
      for (const entry of entries) {
        if (writer.length > 0 && writer.length + 4 + entry.length > pageBytesMax) {
          writes.push({ table: "log", a: number, b: first, value: writer.take() });
          first = position;
        }
        writer.uint32(entry.length);
        writer.bytes(entry);
        position++;
      }
      writes.push({ table: "log", a: number, b: first, value: writer.take() });
      writer.uint53(number);
      writer.uint53(next);
      writes.push({ table: "stream", name, value: writer.take() });
    }
  }

  committed(): void {
    this.#appended = new Map();
  }

  reverted(): void {
    for (const { stream, numberBefore, nextBefore } of this.#appended.values()) {
      stream.number = numberBefore;
      stream.next = nextBefore;
    }
    this.#appended = new Map();
  }

  #find(name: string): Stream {
    const cached = this.#appended.get(name)?.stream ?? this.#cached.get(name);
    if (cached !== undefined) return cached;
    if (this.#cached.size >= cachedMax) this.#cached = new Map();
    const row = this.#options.storage.readNamed("stream", name);
    const reader = row === undefined ? undefined : new ByteReader(row);
    const number = reader?.uint53("number") ?? 0;
    const stream = { name, number, next: reader?.uint53("next") ?? 1 };
    this.#cached.set(name, stream);
    return stream;
  }

  #tell(name: string): void {
    for (const tell of this.#followers.get(name) ?? []) tell();
  }
}
