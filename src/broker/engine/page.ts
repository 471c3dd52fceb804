/**
 * A page: the messages that one group stored in one lane of a queue, as one row, with a bit for each
 * that is final in a row of its own. A message that came back is a page of one, in the table `later`
 * (see returned.ts).
 *
 *   page  = count u32, entry * count, body * count           integers are big-endian
 *   entry = delta u32, position less that of the first       end u32, of its body, from the page's begin
 *   body  = flags u8, [expiresAtMs f64], [keyBytes u16, key UTF-8], frame
 *   flags   1 at most once   2 expires   4 has a key
 *
 *   settled = one bit for each message, least significant first
 */
import { encodeUtf8Into, utf8Length } from "../../message/text.ts";
import type { QueuedMessage } from "../broker.ts";

/** Bytes of a page, unless a single message has more: 128 KiB. */
export const pageBytesMax: number = 2 ** 17;

const headBytes = 4;
const entryBytes = 8;
export const flagAtMostOnce = 1;
export const flagExpires = 2;
export const flagKeyed = 4;

export class Page {
  readonly table: "page" | "later";
  readonly a: number;
  /** Position of the first message. */
  readonly b: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly count: number;
  /** Messages that are not final. */
  live: number;
  /** Slots in memory that refer to it, and how many of those wait. */
  slots = 0;
  waiting = 0;
  /** A row of the table `settled` belongs to it. */
  settledStored: boolean;
  /** It is among the pages that the present group changes. */
  touched = false;
  readonly #bodyStart: number;
  #settled: Uint8Array | undefined;

  /** @param bodyStart - where the body of the only message begins, in the table `later`. */
  constructor(
    table: "page" | "later",
    key: { readonly a: number; readonly b: number },
    bytes: Uint8Array,
    settled: Uint8Array | undefined,
    bodyStart = 0,
  ) {
    this.table = table;
    this.a = key.a;
    this.b = key.b;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.count = table === "page" ? this.view.getUint32(0) : 1;
    this.#bodyStart = bodyStart;
    // Copied, here and when it is sealed: what a storage gave or was given must not change.
    this.#settled = settled?.slice();
    this.settledStored = settled !== undefined;
    this.live = this.count - (settled === undefined ? 0 : countBits(settled));
  }

  positionAt(index: number): number {
    if (this.table === "later") return this.b;
    return this.b + this.view.getUint32(headBytes + index * entryBytes);
  }

  bodyStart(index: number): number {
    if (this.table === "later") return this.#bodyStart;
    return index === 0
      ? headBytes + this.count * entryBytes
      : this.view.getUint32(headBytes + (index - 1) * entryBytes + 4);
  }

  bodyEnd(index: number): number {
    if (this.table === "later") return this.bytes.length;
    return this.view.getUint32(headBytes + index * entryBytes + 4);
  }

  /** -1 when the page does not hold `position`. */
  indexOf(position: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const there = this.positionAt(middle);
      if (there === position) return middle;
      if (there < position) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  isFinal(index: number): boolean {
    const bits = this.#settled;
    return bits !== undefined && ((bits[index >> 3] as number) & (1 << (index & 7))) !== 0;
  }

  setFinal(index: number): void {
    this.#settled ??= new Uint8Array((this.count + 7) >> 3);
    this.#settled[index >> 3] = (this.#settled[index >> 3] as number) | (1 << (index & 7));
    this.live--;
  }

  unsetFinal(index: number): void {
    const bits = this.#settled as Uint8Array;
    bits[index >> 3] = (bits[index >> 3] as number) & ~(1 << (index & 7));
    this.live++;
  }

  settledBytes(): Uint8Array {
    return (this.#settled as Uint8Array).slice();
  }
}

function countBits(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) {
    for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  }
  return count;
}

/** What a message takes in a page, its entry included. */
export function storedBytes(message: QueuedMessage): number {
  return entryBytes + bodyBytes(message);
}

export function bodyBytes(message: QueuedMessage): number {
  const { key, expiresAtMs } = message;
  const keyBytes = key === undefined ? 0 : 2 + utf8Length(key);
  return 1 + (expiresAtMs === undefined ? 0 : 8) + keyBytes + message.frame.length;
}

/**
 * @param from - the first of `messages` in this page; `positions` runs beside them.
 * @param bytes - the sum of their `storedBytes`.
 */
export function encodePage(
  messages: readonly QueuedMessage[],
  positions: readonly number[],
  from: number,
  count: number,
  bytes: number,
): Uint8Array {
  const page = new Uint8Array(headBytes + bytes);
  const view = new DataView(page.buffer);
  const first = positions[from] as number;
  view.setUint32(0, count);
  let entry = headBytes;
  let at = headBytes + count * entryBytes;
  for (let index = from; index < from + count; index++) {
    at = encodeBody(messages[index] as QueuedMessage, page, view, at);
    view.setUint32(entry, (positions[index] as number) - first);
    view.setUint32(entry + 4, at);
    entry += entryBytes;
  }
  return page;
}

/** @returns where the body ends. */
export function encodeBody(
  message: QueuedMessage,
  bytes: Uint8Array,
  view: DataView,
  start: number,
): number {
  const { key, expiresAtMs, frame } = message;
  let flags = message.guarantee === "at-most-once" ? flagAtMostOnce : 0;
  let at = start + 1;
  if (expiresAtMs !== undefined) {
    flags |= flagExpires;
    view.setFloat64(at, expiresAtMs);
    at += 8;
  }
  if (key !== undefined) {
    flags |= flagKeyed;
    const length = encodeKey(key, bytes, at + 2);
    view.setUint16(at, length);
    at += 2 + length;
  }
  bytes[start] = flags;
  bytes.set(frame, at);
  return at + frame.length;
}

/** Keys are short and nearly always ASCII, and for those a loop is faster than any call. */
function encodeKey(key: string, bytes: Uint8Array, start: number): number {
  for (let index = 0; index < key.length; index++) {
    const code = key.charCodeAt(index);
    if (code > 0x7f) return encodeUtf8Into(key, bytes, start);
    bytes[start + index] = code;
  }
  return key.length;
}
