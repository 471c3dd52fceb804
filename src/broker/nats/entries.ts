/**
 * Entries of the store as messages. An entry is the last message of its subject, in the stream of what is
 * kept or in that of what is volatile; its revision is the sequence there.
 *
 *   Colloquy-Ttl-Ms   ends so many milliseconds after the server stored it
 *   Colloquy-Deleted  the entry was deleted; the message itself goes a minute later
 *   Nats-TTL          when the server itself removes the message: a little later, as it counts seconds
 *
 * Who reads decides by the server's clock whether an entry is over.
 */
import type { StoreEntry } from "../broker.ts";
import type { HeaderPairs } from "./client.ts";
import { jsHeaders, type StoredMessage } from "./jetstream.ts";
import { decodeToken, type Names, nameHeader, nameHeaders } from "./names.ts";

export type EntryKind = "state" | "volatile";

export const entryHeaders = { ttlMs: "Colloquy-Ttl-Ms", deleted: "Colloquy-Deleted" } as const;

/** How long it is remembered that an entry was deleted, for those who watch and have fallen behind. */
const deletedMs = 60_000;
/** Longer times to live are left to the readers. */
const nativeTtlMsMax = 10 * 365 * 86_400_000;

/** What there is of a key in one of the streams. */
export interface EntryRecord {
  readonly key: string;
  readonly kind: EntryKind;
  /** Sequence in its stream. */
  readonly revision: number;
  /** Undefined where it was deleted. */
  readonly value: Uint8Array | undefined;
  /** By the server's clock; Infinity without a time to live. */
  readonly endsAtMs: number;
}

export function recordOf(names: Names, kind: EntryKind, message: StoredMessage): EntryRecord {
  const { subject, seq, data } = message;
  // Somebody else's may be no number: then it is as if there were none.
  const ttlMs = Number(message.header(entryHeaders.ttlMs)) || Number.POSITIVE_INFINITY;
  return {
    key: names.keyOf(subject) ?? decodeToken(message.header(nameHeader)),
    kind,
    revision: seq,
    value: message.header(entryHeaders.deleted) === "" ? data : undefined,
    endsAtMs: message.atMs + ttlMs,
  };
}

/** An entry, unless it was deleted or is over. */
export function liveEntry(record: EntryRecord | undefined, nowMs: number): StoreEntry | undefined {
  if (record === undefined || record.value === undefined || record.endsAtMs <= nowMs) {
    return undefined;
  }
  const { key, value, revision } = record;
  return { key, value, revision };
}

export function putHeaders(key: string, ttlMs: number | undefined): HeaderPairs {
  const names = nameHeaders(key);
  if (ttlMs === undefined) return names;
  return {
    ...names,
    [entryHeaders.ttlMs]: `${ttlMs}`,
    ...(ttlMs > nativeTtlMsMax ? {} : { [jsHeaders.ttl]: `${Math.ceil(ttlMs / 1_000) + 1}s` }),
  };
}

export function deleteHeaders(key: string): HeaderPairs {
  return {
    ...nameHeaders(key),
    [entryHeaders.deleted]: "1",
    [jsHeaders.ttl]: `${deletedMs / 1_000}s`,
  };
}

/** As their UTF-8 sorts. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    // Surrogates stand for code points above all others of one unit.
    const isLeftHigh = left >= 0xd800 && left <= 0xdfff;
    const isRightHigh = right >= 0xd800 && right <= 0xdfff;
    return isLeftHigh === isRightHigh ? left - right : isLeftHigh ? 1 : -1;
  }
  return a.length - b.length;
}
