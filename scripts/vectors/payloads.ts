/** Payloads by codec and compression, and values as they are at rest. */
import { crc32 } from "node:zlib";
import { packValue } from "../../src/exchange/packed.ts";
import { compressions, payloadCodecs } from "../../src/message/message.ts";
import { encodePayload } from "../../src/message/payload.ts";
import { bytesOf, joined, utf8 } from "./vector.ts";

export interface PayloadVector {
  readonly name: string;
  readonly codec: number;
  readonly compression: number;
  readonly value: unknown;
  readonly bytes: Uint8Array;
  /** Another writer may have made it, with other bytes for the same value. */
  readonly readOnly?: true;
}

export interface PackedVector {
  readonly name: string;
  readonly value: unknown;
  readonly bytes: Uint8Array;
}

const values: readonly (readonly [name: string, value: unknown])[] = [
  ["nothing", undefined],
  ["null", null],
  ["a boolean", false],
  ["a number", -12.5],
  ["the largest whole number", 2 ** 53 - 1],
  ["text, by whose characters JSON goes", 'Bär "€" \u{1f41d}\n'],
  ["an empty array", []],
  ["nested data", { list: [1, [2, { three: null }]], "": "empty key", ключ: true }],
  ["bytes", bytesOf("00 01 fe ff")],
  ["no bytes, which is not nothing", new Uint8Array(0)],
  [
    "bytes inside data",
    { image: bytesOf("89504e47"), pages: [bytesOf("01"), "text", bytesOf("")] },
  ],
];

const bees = Array.from({ length: 40 }, (_none, n) => ({ n, s: "bee" }));

/** zlib 1.3, level 6. */
const beesAsGzip =
  "1f8b08000000000000036dd2310a84501443d1bdbcda62928c3aba15b1116c6d2cc5bd0b5309f7b7b73a842c57" +
  "1d357fba3a6bae6ddfebeefe45284609ca17a547195046941fca4461034db5c816dd225c948b74d12ee245bda9" +
  "776373ea4dbda937f5a6ded49b7a531fea437d1a97a13ed487fa501fea437ddefaf5010390b2f0ef020000";

/** zstd 1.5, level 1. */
const beesAsZstd =
  "28b52ffd60ef012d0400a4035b7b226e223a302c2273223a22626565227d2c3132333435363738393131313131" +
  "3131313132323232323232323232333333333333333333335d282080a3d2039c78d7639ef0ce633df18ec73ce1" +
  "9dc778e29dc77ae21d8f79b277413d06d4939fdef9f4584f4f787ab7d3633a3dc9e9014e723333cb7c66368bf9" +
  "66364b9f7709310c";

const { none, gzip, zstd } = compressions;
const { json, jsonAndBytes } = payloadCodecs;

/**
 * One gzip member of stored blocks: without an algorithm, anybody can write it.
 *
 *   member = 1f8b 08 00 mtime u32 00 ff block crc32 u32 size u32      integers are little-endian
 *   block  = 01 length u16, ~length u16, bytes
 */
export function storedGzip(plain: Uint8Array): Uint8Array {
  const head = Buffer.from("1f8b08000000000000ff01ffffffff", "hex");
  head.writeUInt16LE(plain.length, 11);
  head.writeUInt16LE(0xffff - plain.length, 13);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(plain), 0);
  tail.writeUInt32LE(plain.length, 4);
  return joined(head, plain, tail);
}

/** One zstd frame (RFC 8878) of a raw block: a segment of up to 255 bytes that says its size. */
export function storedZstd(plain: Uint8Array): Uint8Array {
  const block = Buffer.alloc(3);
  block.writeUIntLE((plain.length << 3) | 1, 0, 3);
  return joined(bytesOf("28b52ffd20"), Uint8Array.of(plain.length), block, plain);
}

function compressed(
  name: string,
  codec: number,
  compression: number,
  value: unknown,
  bytes: Uint8Array,
): PayloadVector {
  return { name, codec, compression, value, bytes, readOnly: true };
}

const withBytes = { image: bytesOf("89504e47") };

export const payloadVectors: readonly PayloadVector[] = [
  ...values.map(([name, value]) => ({ name, value, ...encodePayload(value) })),
  compressed("JSON with white space", json, none, [1, 2], utf8(" [ 1,\n2 ] ")),
  compressed(
    "the last of two members with one name counts",
    json,
    none,
    { a: 2 },
    utf8('{"a":1,"a":2}'),
  ),
  compressed("gzip of a stored block", json, gzip, "bees", storedGzip(utf8('"bees"'))),
  compressed("gzip", json, gzip, bees, bytesOf(beesAsGzip)),
  compressed(
    "gzip of data with bytes inside",
    jsonAndBytes,
    gzip,
    withBytes,
    storedGzip(encodePayload(withBytes).bytes),
  ),
  compressed("zstd of a raw block", json, zstd, "bees", storedZstd(utf8('"bees"'))),
  compressed("zstd", json, zstd, bees, bytesOf(beesAsZstd)),
];

export const packedVectors: readonly PackedVector[] = values.map(([name, value]) => ({
  name,
  value,
  bytes: packValue(value),
}));
