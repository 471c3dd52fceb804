/** What a store holds, as records that need no store to be read. Only what is healthy; see damaged-store.ts. */
import { ByteReader } from "../../../message/byte-reader.ts";
import type { Attempts, DeadLetter, Lane } from "../../broker.ts";
import { decodeDeadLetter } from "../../engine/dead-letters.ts";
import { Page } from "../../engine/page.ts";
import { dueMsOf, returnedPage, scheduledRegion, timeMax } from "../../engine/returned.ts";
import { Slot } from "../../engine/slot.ts";
import type { DamagedStore } from "./damaged-store.ts";

export interface MessageRecord {
  readonly kind: "message";
  /** Undefined when the row of its mailbox is damaged. */
  readonly queue: string | undefined;
  readonly queueNumber: number;
  readonly position: number;
  readonly lane: Lane;
  /** "unknown": it may have been settled, what says so is damaged. */
  readonly state: "queued" | "scheduled" | "unknown";
  readonly guarantee: "at-most-once" | "at-least-once";
  readonly key?: string;
  /** Wall clock, milliseconds. */
  readonly expiresAtMs?: number;
  readonly notBeforeMs?: number;
  readonly attempts: Attempts;
  readonly frame: Uint8Array;
}

export interface DeadLetterRecord extends DeadLetter {
  readonly kind: "dead";
}

export interface EntryRecord {
  readonly kind: "entry";
  readonly key: string;
  readonly revision: number;
  /** Wall clock, milliseconds. */
  readonly expiresAtMs?: number;
  readonly value: Uint8Array;
}

export interface LogRecord {
  readonly kind: "log";
  /** Undefined when the row of its stream is damaged. */
  readonly stream: string | undefined;
  readonly streamNumber: number;
  readonly position: number;
  readonly data: Uint8Array;
}

export type StoredRecord = MessageRecord | DeadLetterRecord | EntryRecord | LogRecord;

export function* recordsOf(store: DamagedStore): Generator<StoredRecord, void, undefined> {
  const queues = numbersOf(store, "queue");
  yield* pageMessages(store, queues);
  yield* laterMessages(store, queues);
  yield* deadLetters(store);
  yield* entries(store);
  yield* logEntries(store, numbersOf(store, "stream"));
}

/** Names by number; the number is the first field of both rows. */
function numbersOf(store: DamagedStore, table: "queue" | "stream"): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const { name, value } of store.named(table)) {
    names.set(new ByteReader(value).uint53("number"), name);
  }
  return names;
}

type Queues = ReadonlyMap<number, string>;

function* pageMessages(
  store: DamagedStore,
  queues: Queues,
): Generator<MessageRecord, void, undefined> {
  for (const row of store.numbered("page")) {
    if (isRemoved(store, queues, row.a)) continue;
    const settled = store.row("settled", row.a, row.b);
    const page = new Page("page", row, row.value, settled === "damaged" ? undefined : settled);
    for (let index = 0; index < page.count; index++) {
      if (page.isFinal(index)) continue;
      const slot = new Slot(page, index, laneOf(row.a));
      yield messageRecord(queues, row.a, slot, settled === "damaged" ? "unknown" : "queued");
    }
  }
}

function* laterMessages(
  store: DamagedStore,
  queues: Queues,
): Generator<MessageRecord, void, undefined> {
  for (const row of store.numbered("later")) {
    if (row.a <= timeMax) continue;
    const a = row.a % (timeMax + 1);
    if (isRemoved(store, queues, a)) continue;
    const notBeforeMs = dueMsOf(row.value);
    const state = row.a >= scheduledRegion || notBeforeMs > 0 ? "scheduled" : "queued";
    const record = messageRecord(queues, a, new Slot(returnedPage(row), 0, laneOf(a)), state);
    yield notBeforeMs > 0 ? { ...record, notBeforeMs } : record;
  }
}

/** Of a mailbox that was removed, and whose messages are being cleared away. */
function isRemoved(store: DamagedStore, queues: Queues, a: number): boolean {
  return store.isSound("queue") && !queues.has(Math.floor(a / 4));
}

function laneOf(a: number): Lane {
  return (a % 4) as Lane;
}

function messageRecord(
  queues: Queues,
  a: number,
  slot: Slot,
  state: MessageRecord["state"],
): MessageRecord {
  const { position, lane, key, expiresAtMs, atMostOnce, history, frame } = slot;
  const queueNumber = Math.floor(a / 4);
  return {
    kind: "message",
    queue: queues.get(queueNumber),
    queueNumber,
    position,
    lane,
    state,
    guarantee: atMostOnce ? "at-most-once" : "at-least-once",
    ...(key === undefined ? {} : { key }),
    ...(expiresAtMs === 0 ? {} : { expiresAtMs }),
    attempts: history.attempts,
    frame,
  };
}

function* deadLetters(store: DamagedStore): Generator<DeadLetterRecord, void, undefined> {
  for (const row of store.numbered("dead")) {
    const { message: _, ...letter } = decodeDeadLetter(row);
    yield { kind: "dead", ...letter };
  }
}

function* entries(store: DamagedStore): Generator<EntryRecord, void, undefined> {
  for (const { name: key, value: row } of store.named("entry")) {
    const reader = new ByteReader(row);
    const revision = reader.uint53("revision");
    const expiresAtMs = reader.uint53("expiresAtMs");
    reader.uint53("serial");
    const value = reader.bytes("value", reader.left);
    yield { kind: "entry", key, revision, ...(expiresAtMs === 0 ? {} : { expiresAtMs }), value };
  }
}

function* logEntries(store: DamagedStore, streams: Queues): Generator<LogRecord, void, undefined> {
  for (const { a, b, value } of store.numbered("log")) {
    const reader = new ByteReader(value);
    for (let position = b; reader.left > 0; position++) {
      const data = reader.bytes("entry", reader.uint32("bytes"));
      yield { kind: "log", stream: streams.get(a), streamNumber: a, position, data };
    }
  }
}
