/**
 * The checksum of a row: CRC-32 over what the row is and what it holds, so that a value that was
 * changed, cut, or put under another key, into another table or into another store does not match.
 *
 *   numbered  crc32( identity table:u8 length:u32 a:f64 b:f64 value )    integers are big-endian
 *   named     crc32( identity table:u8 length:u32 name value )           length: bytes of the value
 *
 * CRC-32 finds every change of up to 32 bits in a row and misses one in 2^32 of the others. It is no
 * protection against someone who means to change a row.
 *
 * @see ISO 3309; W. W. Peterson and D. T. Brown, "Cyclic Codes for Error Detection", 1961.
 */
import { crc32 } from "node:zlib";

const prefixBytes = 5;
const numberedKeyBytes = prefixBytes + 16;

export class RowChecksum {
  readonly #seed: number;
  readonly #key: Buffer = Buffer.alloc(numberedKeyBytes);
  readonly #prefix: Buffer = this.#key.subarray(0, prefixBytes);

  /** @param identity - of the store that the rows belong to. */
  constructor(identity: Uint8Array) {
    this.#seed = crc32(identity);
  }

  /** @returns 0 to 2^32 - 1, as the others do. */
  ofNumbered(table: number, a: number, b: number, value: Uint8Array): number {
    this.#key[0] = table;
    this.#key.writeUInt32BE(value.length, 1);
    this.#key.writeDoubleBE(a, prefixBytes);
    this.#key.writeDoubleBE(b, prefixBytes + 8);
    return extend(crc32(this.#key, this.#seed), value);
  }

  ofNamed(table: number, name: Uint8Array, value: Uint8Array): number {
    this.#prefix[0] = table;
    this.#prefix.writeUInt32BE(value.length, 1);
    return extend(extend(crc32(this.#prefix, this.#seed), name), value);
  }

  ofRecord(record: Uint8Array): number {
    return crc32(record, this.#seed);
  }
}

/** zlib begins anew, whatever came before, when it is handed no bytes at a null address. */
function extend(checksum: number, bytes: Uint8Array): number {
  return bytes.length === 0 ? checksum : crc32(bytes, checksum);
}
