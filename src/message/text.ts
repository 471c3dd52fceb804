/**
 * Bytes to text and back. Three native calls of Node are used where they exist, because a call that
 * makes a view first costs more than the decoding of the short texts that envelopes are made of.
 */
import { invalidMessage } from "./invalid.ts";

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const byteDecoder = new TextDecoder("latin1");

const replacement = "\ufffd";

type Slice = (this: Uint8Array, start: number, end: number) => string;

type Write = (this: Uint8Array, text: string, start: number, bytesMax: number) => number;

/** On Node's Buffer since its first version, though not in its documentation. */
const native = globalThis.Buffer?.prototype as
  | { readonly latin1Slice?: Slice; readonly utf8Slice?: Slice; readonly utf8Write?: Write }
  | undefined;

const nativeSlice = native?.latin1Slice;
const nativeUtf8Slice = native?.utf8Slice;
const nativeWrite = native?.utf8Write;

/**
 * One character per byte. Right for bytes below 0x80; what others become depends on the platform, so
 * the caller must have looked at each byte it takes from the result.
 */
export function textOfBytes(bytes: Uint8Array, start: number, end: number): string {
  if (nativeSlice !== undefined) return nativeSlice.call(bytes, start, end);
  return byteDecoder.decode(bytes.subarray(start, end));
}

/** @throws INVALID_MESSAGE naming `field` when the bytes are not UTF-8. */
export function decodeUtf8(field: string, bytes: Uint8Array, start: number, end: number): string {
  if (nativeUtf8Slice !== undefined) {
    const text = nativeUtf8Slice.call(bytes, start, end);
    // What is no UTF-8 has become a replacement character; a text may also have one of its own.
    if (!text.includes(replacement)) return text;
  }
  try {
    return strictDecoder.decode(bytes.subarray(start, end));
  } catch {
    throw invalidMessage(field, "valid UTF-8");
  }
}

/** Bytes of a text as UTF-8, without encoding it; a lone surrogate counts as its replacement, 3 bytes. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    // Each half of a surrogate pair accounts for two of the pair's four bytes.
    length += code < 0x800 || isPaired(text, index, code) ? 1 : 2;
  }
  return length;
}

function isPaired(text: string, index: number, code: number): boolean {
  if (code < 0xd800 || code > 0xdfff) return false;
  const other = code < 0xdc00 ? text.charCodeAt(index + 1) : text.charCodeAt(index - 1);
  return code < 0xdc00 ? other >= 0xdc00 && other <= 0xdfff : other >= 0xd800 && other <= 0xdbff;
}

/** Writes UTF-8 at `start`, where the caller made room for `utf8Length(text)` bytes. @returns bytes written. */
export function encodeUtf8Into(text: string, bytes: Uint8Array, start: number): number {
  if (nativeWrite !== undefined) return nativeWrite.call(bytes, text, start, bytes.length - start);
  return encoder.encodeInto(text, start === 0 ? bytes : bytes.subarray(start)).written;
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}
