/**
 * What senders may ask about later: results, errors and expiries of messages that are final. A message
 * that is done without a result leaves nothing here, unless it is sent at most once: such a message is
 * final before it is offered, and what came of it is unknown until its handler has said so.
 *
 *   block  a = queue number    b = first position   entry *, in order of position, within `blockSpan`
 *   taken  a = 2^43 + queue number                  the same, of messages that were about to be offered
 *   entry  = position u53, kind u8, bytes u32, result or error
 *   index  a = 2^44 + time     b = serial           { a u53, b u53 } *
 *
 * An index row names the blocks of one group, so that the oldest are found without reading the rest.
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { MessageState } from "../broker.ts";
import type { Counters } from "./counters.ts";
import { decodeError, encodeError } from "./error-text.ts";
import type { Group, Participant } from "./group.ts";
import type { Serials } from "./serials.ts";
import type { NumberedRow, Storage, Write } from "./storage.ts";

/** Positions in one block lie closer than this, so that a look-up knows how far back to search. */
const blockSpan = 1_024;
const blockBytesMax = 2 ** 17;
const entryHeadBytes = 13;
const takenRegion = 2 ** 43;
const indexRegion = 2 ** 44;
const keyMax = Number.MAX_SAFE_INTEGER;
const kinds = [
  "done",
  "failed",
  "dead",
  "expired",
  "taken",
  "completed",
  "cancelled",
  "rescinded",
] as const;
const writer = new ByteWriter();

interface Entry {
  /** First part of the key of its block. */
  readonly a: number;
  readonly position: number;
  readonly kind: (typeof kinds)[number];
  readonly bytes: Uint8Array;
}

/** Outcomes that were given up: their queue, and the last of their positions. */
export interface Forgotten {
  readonly queueNumber: number;
  readonly position: number;
}

export interface OutcomesOptions {
  readonly storage: Storage;
  readonly serials: Serials;
  readonly counters: Counters;
  readonly resultRetentionMs: number;
  readonly resultBytesMax: number;
}

export class Outcomes {
  readonly #options: OutcomesOptions;
  #changes: OutcomeChanges | undefined;

  constructor(options: OutcomesOptions) {
    this.#options = options;
  }

  record(group: Group, queueNumber: number, position: number, state: MessageState): void {
    const entry = entryOf(queueNumber, position, state);
    if (entry !== undefined) this.#add(group, entry);
  }

  /** At most once: the message is about to be offered for the first time, and may be lost. */
  recordTaken(group: Group, queueNumber: number, position: number): void {
    const a = takenRegion + queueNumber;
    this.#add(group, { a, position, kind: "taken", bytes: noBytes });
  }

  /** At most once, and done without a result. */
  recordCompleted(group: Group, queueNumber: number, position: number): void {
    this.#add(group, { a: queueNumber, position, kind: "completed", bytes: noBytes });
  }

  find(queueNumber: number, position: number): MessageState | undefined {
    const entry =
      this.#entry(queueNumber, position) ?? this.#entry(takenRegion + queueNumber, position);
    return entry === undefined ? undefined : stateOf(entry);
  }

  /** True when something is kept for too long, or too much of it. */
  overdue(nowMs: number): boolean {
    const { counters, resultBytesMax } = this.#options;
    if (counters.get("results") > resultBytesMax) return true;
    const [oldest] = counters.get("results") === 0 ? [] : this.#index(1);
    return oldest !== undefined && this.#tooOld(oldest, nowMs);
  }

  /** Gives up some of the oldest; called again while `overdue`. */
  forget(group: Group): readonly Forgotten[] {
    const { storage, counters, resultBytesMax } = this.#options;
    const forgotten: Forgotten[] = [];
    const writes: Write[] = [];
    for (const row of this.#index(64)) {
      if (!this.#tooOld(row, group.nowMs) && counters.get("results") <= resultBytesMax) break;
      const reader = new ByteReader(row.value);
      while (reader.left > 0) {
        const a = reader.uint53("a");
        const b = reader.uint53("b");
        const value = storage.read("outcome", a, b);
        if (value === undefined) continue;
        const position = [...entriesOf({ a, b, value })].at(-1)?.position ?? b;
        forgotten.push({ queueNumber: a % takenRegion, position });
        counters.add(group, "results", -value.length);
        writes.push({ table: "outcome", a, b, value: undefined });
      }
      writes.push({ table: "outcome", a: row.a, b: row.b, value: undefined });
    }
    group.join({ seal: (all) => void all.push(...writes), committed: nothing, reverted: nothing });
    return forgotten;
  }

  #add(group: Group, entry: Entry): void {
    const { counters, serials } = this.#options;
    if (this.#changes === undefined) {
      this.#changes = new OutcomeChanges(indexRegion + group.nowMs, serials.next(), () => {
        this.#changes = undefined;
      });
      group.join(this.#changes);
    }
    this.#changes.entries.push(entry);
    counters.add(group, "results", entryHeadBytes + entry.bytes.length);
  }

  #entry(a: number, position: number): Entry | undefined {
    for (let b = position; ; ) {
      const row = this.#options.storage.floor("outcome", a, b);
      if (row === undefined || row.b <= position - blockSpan) return undefined;
      for (const entry of entriesOf(row)) if (entry.position === position) return entry;
      b = row.b - 1;
    }
  }

  #index(rows: number): readonly NumberedRow[] {
    return this.#options.storage.scan("outcome", indexRegion, 0, keyMax, { rows });
  }

  #tooOld(row: NumberedRow, nowMs: number): boolean {
    return row.a - indexRegion < nowMs - this.#options.resultRetentionMs;
  }
}

class OutcomeChanges implements Participant {
  readonly entries: Entry[] = [];
  readonly #a: number;
  readonly #b: number;
  readonly #onEnd: () => void;

  constructor(a: number, b: number, onEnd: () => void) {
    this.#a = a;
    this.#b = b;
    this.#onEnd = onEnd;
  }

  seal(writes: Write[]): void {
    this.entries.sort((x, y) => x.a - y.a || x.position - y.position);
    let from = 0;
    while (from < this.entries.length) {
      const to = this.#blockEnd(from);
      const { a, position: b } = this.entries[from] as Entry;
      writes.push({ table: "outcome", a, b, value: encodeBlock(this.entries, from, to) });
      writer.uint53(a);
      writer.uint53(b);
      from = to;
    }
    writes.push({ table: "outcome", a: this.#a, b: this.#b, value: writer.take() });
  }

  /** Where the block that begins at index `from` ends. */
  #blockEnd(from: number): number {
    const first = this.entries[from] as Entry;
    let bytes = 0;
    for (let index = from; index < this.entries.length; index++) {
      const entry = this.entries[index] as Entry;
      bytes += entryHeadBytes + entry.bytes.length;
      const fits = bytes <= blockBytesMax && entry.position < first.position + blockSpan;
      if (index > from && (entry.a !== first.a || !fits)) return index;
    }
    return this.entries.length;
  }

  committed(): void {
    this.#onEnd();
  }

  reverted(): void {
    this.#onEnd();
  }
}

const nothing = () => {};
const noBytes = new Uint8Array(0);
const unknown: MessageState = Object.freeze({ state: "unknown" });

function entryOf(a: number, position: number, state: MessageState): Entry | undefined {
  switch (state.state) {
    case "done": {
      const { result } = state;
      return result === undefined ? undefined : { a, position, kind: "done", bytes: result };
    }
    case "failed":
    case "dead":
    case "expired":
    case "cancelled":
    case "rescinded":
      return { a, position, kind: state.state, bytes: encodeError(state.error) };
    default:
      return undefined;
  }
}

function stateOf({ kind, bytes }: Entry): MessageState {
  switch (kind) {
    case "done":
      return { state: "done", result: bytes };
    case "completed":
      return { state: "done" };
    case "taken":
      return unknown;
    default:
      return { state: kind, error: decodeError(bytes) };
  }
}

function encodeBlock(entries: readonly Entry[], from: number, to: number): Uint8Array {
  let length = 0;
  for (let index = from; index < to; index++) {
    length += entryHeadBytes + (entries[index] as Entry).bytes.length;
  }
  const block = new Uint8Array(length);
  const view = new DataView(block.buffer);
  let at = 0;
  for (let index = from; index < to; index++) {
    const { position, kind, bytes } = entries[index] as Entry;
    view.setUint32(at, Math.floor(position / 2 ** 32));
    view.setUint32(at + 4, position % 2 ** 32);
    view.setUint8(at + 8, kinds.indexOf(kind));
    view.setUint32(at + 9, bytes.length);
    block.set(bytes, at + entryHeadBytes);
    at += entryHeadBytes + bytes.length;
  }
  return block;
}

function* entriesOf({ a, value }: NumberedRow): Generator<Entry, void, undefined> {
  const reader = new ByteReader(value);
  while (reader.left > 0) {
    const position = reader.uint53("position");
    const kind = kinds[reader.uint8("kind")] ?? "taken";
    const length = reader.uint32("bytes");
    yield { a, position, kind, bytes: reader.bytes("outcome", length) };
  }
}
