/** Bytes read one after the other, as `ByteWriter` wrote them; what is not there is INVALID_MESSAGE. */
import { invalidMessage } from "./invalid.ts";
import { recurringText } from "./recurring-texts.ts";
import { decodeUtf8, textOfBytes } from "./text.ts";

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
float[0] = 1;
const littleEndian = floatBytes[7] !== 0;

/** Every method takes the name of what it reads, for the error. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  /** Reads `bytes` from `start` up to, not including, `end`. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  uint8(field: string): number {
    return this.#bytes[this.#advance(field, 1)] as number;
  }

  uint16(field: string): number {
    const at = this.#advance(field, 2);
    const bytes = this.#bytes;
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  }

  uint32(field: string): number {
    return readUint32(this.#bytes, this.#advance(field, 4));
  }

  /** A whole number from 0 to 2^53 - 1. */
  uint53(field: string): number {
    const at = this.#advance(field, 8);
    return readUint53(field, this.#bytes, at);
  }

  float64(field: string): number {
    const at = this.#advance(field, 8);
    for (let index = 0; index < 8; index++) {
      floatBytes[littleEndian ? 7 - index : index] = this.#bytes[at + index] as number;
    }
    return float[0] as number;
  }

  /** A view, valid as long as the bytes it was read from. */
  bytes(field: string, count: number): Uint8Array {
    const at = this.#advance(field, count);
    return this.#bytes.subarray(at, at + count);
  }

  text8(field: string): string {
    return this.text(field, this.uint8(field));
  }

  text16(field: string): string {
    return this.text(field, this.uint16(field));
  }

  /** As `text8`, for texts that come again and again. */
  recurringText8(field: string): string {
    return this.#recurring(field, this.uint8(field));
  }

  /** As `text16`, for texts that come again and again. */
  recurringText16(field: string): string {
    return this.#recurring(field, this.uint16(field));
  }

  #recurring(field: string, count: number): string {
    const at = this.#at;
    if (count <= this.left) {
      const text = recurringText(this.#bytes, at, at + count);
      if (text !== undefined) {
        this.#at = at + count;
        return text;
      }
    }
    return this.text(field, count);
  }

  /** UTF-8 in the next `count` bytes. */
  text(field: string, count: number): string {
    const at = this.#advance(field, count);
    const end = at + count;
    for (let index = at; index < end; index++) {
      if ((this.#bytes[index] as number) > 0x7f) return decodeUtf8(field, this.#bytes, at, end);
    }
    return textOfBytes(this.#bytes, at, end);
  }

  #advance(field: string, count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw invalidMessage(field, `${count} bytes, found ${this.left}`);
    this.#at = at + count;
    return at;
  }
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

/** @throws INVALID_MESSAGE naming `field` when the number is above 2^53 - 1. */
export function readUint53(field: string, bytes: Uint8Array, at: number): number {
  const high = readUint32(bytes, at);
  if (high >= 2 ** 21) throw invalidMessage(field, "a whole number up to 2^53 - 1");
  return high * 2 ** 32 + readUint32(bytes, at + 4);
}
