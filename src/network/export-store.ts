/** Everything healthy that a store holds, in a form that needs no store to be read. */
import { type Damage, DamagedStore } from "../broker/embedded/export/damaged-store.ts";
import {
  type DeadLetterRecord,
  type EntryRecord,
  type LogRecord,
  type MessageRecord,
  recordsOf,
  type StoredRecord,
} from "../broker/embedded/export/records.ts";
import { unpackValue } from "../exchange/packed.ts";
import type { Envelope } from "../message/envelope.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { decodePayload } from "../message/payload.ts";

export type { Damage, DeadLetterRecord, EntryRecord, LogRecord, MessageRecord };

/** Both undefined where the frame is none of ours; it is there as bytes in any case. */
interface Contents {
  readonly envelope: Envelope | undefined;
  readonly payload: unknown;
}

/** The value as it was put; undefined where the bytes are none of ours. */
interface Content {
  readonly content: unknown;
}

export type ExportedRecord =
  | (MessageRecord & Contents)
  | (DeadLetterRecord & Contents)
  | (EntryRecord & Content)
  | (LogRecord & Content);

export interface ExportSummary {
  readonly messages: number;
  readonly deadLetters: number;
  readonly entries: number;
  readonly logEntries: number;
  /** What was left out, and why; empty for a healthy store. */
  readonly damages: readonly Damage[];
}

/**
 * Reads the store in `directory` and yields every healthy message that is not final, every dead letter,
 * every entry that was stored durably and every entry of the log; each row is compared with its
 * checksum. What is damaged is left out and told in the summary, which the generator returns.
 *
 * Nothing is written to the files of the store. It must not be in use.
 *
 * @throws CONFLICT while an owner has it open; INVALID_VERSION; STORE_FAILED when there is no store, or
 *   nothing of it can be read.
 */
export function* exportStore(
  directory: string,
): Generator<ExportedRecord, ExportSummary, undefined> {
  const counts = { message: 0, dead: 0, entry: 0, log: 0 };
  const store = new DamagedStore(directory);
  try {
    for (const record of recordsOf(store)) {
      counts[record.kind]++;
      yield readable(record);
    }
  } finally {
    store.close();
  }
  return {
    messages: counts.message,
    deadLetters: counts.dead,
    entries: counts.entry,
    logEntries: counts.log,
    damages: store.damages,
  };
}

function readable(record: StoredRecord): ExportedRecord {
  switch (record.kind) {
    case "message":
    case "dead":
      return { ...record, ...contentsOf(record.frame) };
    case "entry":
      return { ...record, content: contentOf(record.value) };
    case "log":
      return { ...record, content: contentOf(record.data) };
  }
}

function contentsOf(frame: Uint8Array): Contents {
  try {
    const { envelope, payload } = decodeMessage(frame);
    return { envelope, payload: decodePayload(payload) };
  } catch {
    return { envelope: undefined, payload: undefined };
  }
}

function contentOf(value: Uint8Array): unknown {
  try {
    return unpackValue(value);
  } catch {
    return undefined;
  }
}
