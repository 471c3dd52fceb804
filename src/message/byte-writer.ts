/**
 * Bytes written one after the other into chunks that grow. Integers are big-endian. What `take`
 * handed out is not written again before `rewind`; the next bytes go behind it in the same slab.
 */
import { readUint32 } from "./byte-reader.ts";
import type { CharacterClass } from "./characters.ts";
import { encodeUtf8, encodeUtf8Into } from "./text.ts";

/** Bytes of a slab: large enough that making one is rare, small enough to be given away half used. */
const slabBytes = 2 ** 16;

/** From here on, setting aside three bytes per character costs more than encoding on the side. */
const longTextCharacters = 4_096;

/** Up to here a loop beats the call into the platform's encoder. */
const shortTextCharacters = 64;

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
float[0] = 1;
const littleEndian = floatBytes[7] !== 0;

export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where what was not taken yet begins. */
  #start = 0;
  #end = 0;

  /** Bytes written and not taken yet. */
  get length(): number {
    return this.#end - this.#start;
  }

  uint8(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  uint16(value: number): void {
    const at = this.#room(2);
    const bytes = this.#bytes;
    bytes[at] = value >>> 8;
    bytes[at + 1] = value;
  }

  uint32(value: number): void {
    this.#put32(this.#room(4), value);
  }

  /** A whole number from 0 to 2^53 - 1, in 8 bytes. */
  uint53(value: number): void {
    const at = this.#room(8);
    this.#put32(at, Math.floor(value / 2 ** 32));
    this.#put32(at + 4, value);
  }

  float64(value: number): void {
    const at = this.#room(8);
    const bytes = this.#bytes;
    float[0] = value;
    for (let index = 0; index < 8; index++) {
      bytes[at + index] = floatBytes[littleEndian ? 7 - index : index] as number;
    }
  }

  bytes(source: Uint8Array): void {
    const at = this.#room(source.length);
    this.#bytes.set(source, at);
  }

  /** UTF-8 behind its length in one byte; the caller has checked that it fits. @returns bytes of the text. */
  text8(text: string): number {
    const at = this.#room(1 + text.length * 3);
    const written = this.#text(text, at + 1);
    this.#bytes[at] = written;
    this.#end = at + 1 + written;
    return written;
  }

  /**
   * Like `text8`, for a text whose characters all belong to a class of ASCII.
   *
   * @returns false, with nothing written, when they do not or the text is longer than 255 characters.
   */
  textOfClass8(text: string, characterClass: CharacterClass): boolean {
    const { length } = text;
    if (length > 255) return false;
    const at = this.#room(1 + length);
    const bytes = this.#bytes;
    bytes[at] = length;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (characterClass[code] !== 1) {
        this.#end = at;
        return false;
      }
      bytes[at + 1 + index] = code;
    }
    return true;
  }

  /** UTF-8 behind its length in two bytes; the caller has checked that it fits. @returns bytes of the text. */
  text16(text: string): number {
    const at = this.#room(2 + text.length * 3);
    const written = this.#text(text, at + 2);
    this.#bytes[at] = written >>> 8;
    this.#bytes[at + 1] = written;
    this.#end = at + 2 + written;
    return written;
  }

  /** UTF-8 without a length. @returns bytes of the text. */
  text(text: string): number {
    if (text.length > longTextCharacters) {
      const encoded = encodeUtf8(text);
      this.bytes(encoded);
      return encoded.length;
    }
    const at = this.#room(text.length * 3);
    const written = this.#text(text, at);
    this.#end = at + written;
    return written;
  }

  /** Overwrites four bytes written earlier, `offset` counted from what was not taken yet. */
  patchUint32(offset: number, value: number): void {
    this.#put32(this.#start + offset, value);
  }

  /** Overwrites eight bytes, like `patchUint32`. */
  patchUint53(offset: number, value: number): void {
    this.patchUint32(offset, Math.floor(value / 2 ** 32));
    this.patchUint32(offset + 4, value);
  }

  /** What `patchUint32` would overwrite. */
  peekUint32(offset: number): number {
    return readUint32(this.#bytes, this.#start + offset);
  }

  /** Takes back what was written from `length` on: the way out when an encoder refuses half-way. */
  truncate(length: number): void {
    this.#end = this.#start + length;
  }

  /** What was written from `offset` on, counted from what was not taken yet; valid until the next write. */
  written(offset: number): Uint8Array {
    return this.#bytes.subarray(this.#start + offset, this.#end);
  }

  /** What was written since the last time. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  /** What was taken is nobody's any more: its memory is written again. Nothing may wait to be taken. */
  rewind(): void {
    if (this.#bytes.length > slabBytes) this.#bytes = new Uint8Array(0);
    this.#start = 0;
    this.#end = 0;
  }

  /** Short texts are nearly always ASCII, and for those a loop is faster than any call. */
  #text(text: string, at: number): number {
    const { length } = text;
    const bytes = this.#bytes;
    if (length > shortTextCharacters) return encodeUtf8Into(text, bytes, at);
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return encodeUtf8Into(text, bytes, at);
      bytes[at + index] = code;
    }
    return length;
  }

  #put32(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }

  /** @returns where the caller may write `count` bytes. */
  #room(count: number): number {
    const at = this.#end;
    if (at + count > this.#bytes.length) return this.#grow(count);
    this.#end = at + count;
    return at;
  }

  #grow(count: number): number {
    const length = this.#end - this.#start;
    // Doubled while one chunk grows by small steps, so that copying stays linear in what is written.
    const grown = uninitialised(Math.max(slabBytes, length * 2, length + count));
    grown.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = grown;
    this.#start = 0;
    this.#end = length + count;
    return length;
  }
}

/** Every byte of a slab is written before it is handed out, so nobody has to clear it first. */
function uninitialised(length: number): Uint8Array {
  const { Buffer } = globalThis;
  if (Buffer === undefined) return new Uint8Array(length);
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
