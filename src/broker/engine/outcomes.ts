/**
 * What senders may ask about later: results, errors and expiries of messages that are final. A message
 * that is done without a result leaves nothing here.
 *
 *   block  a = queue number    b = first position   entry *, in order of position, within `blockSpan`
 *   entry  = position u53, kind u8, bytes u32, result or error
 *   index  a = 2^44 + time     b = serial           { queue number u53, b u53 } *
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
const indexRegion = 2 ** 44;
const keyMax = Number.MAX_SAFE_INTEGER;
const kinds = ["done", "failed", "dead", "expired"] as const;
const writer = new ByteWriter();

interface Entry {
  readonly queueNumber: number;
  readonly position: number;
  readonly kind: number;
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
    if (entry === undefined) return;
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

  find(queueNumber: number, position: number): MessageState | undefined {
    const { storage } = this.#options;
    for (let b = position; ; ) {
      const row = storage.floor("outcome", queueNumber, b);
      if (row === undefined || row.b <= position - blockSpan) return undefined;
      for (const entry of entriesOf(queueNumber, row.value)) {
        if (entry.position === position) return stateOf(entry);
      }
      b = row.b - 1;
    }
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
        const queueNumber = reader.uint53("queue");
        const b = reader.uint53("first position");
        const bytes = storage.read("outcome", queueNumber, b);
        if (bytes === undefined) continue;
        const last = [...entriesOf(queueNumber, bytes)].at(-1);
        forgotten.push({ queueNumber, position: last?.position ?? b });
        counters.add(group, "results", -bytes.length);
        writes.push({ table: "outcome", a: queueNumber, b, value: undefined });
      }
      writes.push({ table: "outcome", a: row.a, b: row.b, value: undefined });
    }
    group.join({ seal: (all) => void all.push(...writes), committed: nothing, reverted: nothing });
    return forgotten;
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
    this.entries.sort((x, y) => x.queueNumber - y.queueNumber || x.position - y.position);
    const blocks: { readonly a: number; readonly b: number }[] = [];
    let bytes = 0;
    for (const entry of this.entries) {
      const { queueNumber: a, position } = entry;
      const block = blocks.at(-1);
      bytes += entryHeadBytes + entry.bytes.length;
      if (block?.a !== a || position >= block.b + blockSpan || bytes > blockBytesMax) {
        if (block !== undefined) writes.push({ table: "outcome", ...block, value: writer.take() });
        blocks.push({ a, b: position });
        bytes = entryHeadBytes + entry.bytes.length;
      }
      writeEntry(entry);
    }
    const last = blocks.at(-1);
    if (last !== undefined) writes.push({ table: "outcome", ...last, value: writer.take() });
    for (const { a, b } of blocks) {
      writer.uint53(a);
      writer.uint53(b);
    }
    writes.push({ table: "outcome", a: this.#a, b: this.#b, value: writer.take() });
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

function entryOf(queueNumber: number, position: number, state: MessageState): Entry | undefined {
  switch (state.state) {
    case "done": {
      const { result } = state;
      return result === undefined ? undefined : { queueNumber, position, kind: 0, bytes: result };
    }
    case "failed":
    case "dead":
    case "expired": {
      const kind = kinds.indexOf(state.state);
      return { queueNumber, position, kind, bytes: encodeError(state.error) };
    }
    default:
      return undefined;
  }
}

function stateOf({ kind, bytes }: Entry): MessageState {
  const state = kinds[kind] ?? "done";
  return state === "done" ? { state, result: bytes } : { state, error: decodeError(bytes) };
}

function writeEntry({ position, kind, bytes }: Entry): void {
  writer.uint53(position);
  writer.uint8(kind);
  writer.uint32(bytes.length);
  writer.bytes(bytes);
}

function* entriesOf(queueNumber: number, block: Uint8Array): Generator<Entry, void, undefined> {
  const reader = new ByteReader(block);
  while (reader.left > 0) {
    const position = reader.uint53("position");
    const kind = reader.uint8("kind");
    const length = reader.uint32("bytes");
    const bytes = length === 0 ? noBytes : reader.bytes("outcome", length);
    yield { queueNumber, position, kind, bytes };
  }
}
