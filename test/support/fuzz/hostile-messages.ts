/**
 * Frames whose grammar is kept nearly everywhere, so that they get far into a reader before the one
 * thing that is wrong: each field is hostile with a small probability.
 */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { ByteWriter } from "../../../src/message/byte-writer.ts";
import { encodeMessage } from "../../../src/message/envelope-codec.ts";
import type { Draw } from "./draw.ts";
import { joined } from "./mutations.ts";
import { validEnvelope, validFrame } from "./valid-messages.ts";

const encoder = new TextEncoder();

export function hostileFrame(draw: Draw): Uint8Array {
  const made = draw.below(20);
  if (made === 0) return draw.bytes(draw.below(400));
  if (made === 1) return frame(draw.bytes(draw.below(200)), draw.bytes(draw.below(20)));
  if (made < 4) return hostileHead(draw);
  if (made < 9) return withHostilePayload(draw);
  return frame(hostileHeader(draw), encoder.encode("{}"));
}

function frame(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.uint32(0x01010000);
  writer.uint32(header.length);
  writer.uint32(payload.length);
  writer.bytes(header);
  writer.bytes(payload);
  return writer.take().slice();
}

/** A valid frame under a head that lies. */
function hostileHead(draw: Draw): Uint8Array {
  const bytes = validFrame(draw).slice();
  const view = new DataView(bytes.buffer);
  const lie = draw.oneOf([0, 1, 2, 4, 8]);
  if (lie === 1) bytes[1] = draw.oneOf([0, 16, 34, 255]);
  else if (lie < 4) bytes[lie] = 1 + draw.below(255);
  else view.setUint32(lie, draw.oneOf([0, 11, 2 ** 16 + 1, 2 ** 21, 2 ** 31, 2 ** 32 - 1]));
  return bytes;
}

function hostileHeader(draw: Draw): Uint8Array {
  const writer = new ByteWriter();
  const sometimes = <Value>(usual: Value, hostile: Value): Value =>
    draw.chance(0.02) ? hostile : usual;
  writer.uint8(sometimes(1, draw.below(256)));
  writer.uint16(sometimes(0, draw.below(65_536)));
  writer.uint8(sometimes(1, draw.below(256)));
  writer.uint8(sometimes(2, draw.below(256)));
  writer.uint8(sometimes(1, draw.below(256)));
  writer.uint8(sometimes(0, draw.below(256)));
  writer.uint8(draw.below(256));
  const present = draw.chance(0.2) ? draw.below(2 ** 32) : 1 << draw.below(20);
  writer.uint32(present);
  number(writer, draw);
  const authentication = draw.bytes(draw.oneOf([0, 0, 96]));
  writer.uint16(sometimes(authentication.length, 65_535));
  writer.bytes(authentication);
  for (const text of [id, name, id, id, id]) writer.bytes(lengthAndText(text(draw)));
  recipients(writer, draw);
  for (let bit = 0; bit < 17; bit++) if (present & (1 << bit)) field(writer, bit, draw);
  writer.bytes(draw.bytes(draw.oneOf([0, 0, 5])));
  return writer.take().slice();
}

function field(writer: ByteWriter, bit: number, draw: Draw): void {
  if (bit < 7) number(writer, draw);
  else if (bit === 7) writer.bytes(lengthAndText(topic(draw)));
  else if (bit < 12) writer.bytes(lengthAndText(id(draw)));
  else if (bit < 14) writer.bytes(lengthAndText(name(draw)));
  else if (bit === 14) path(writer, draw);
  else if (bit === 15) headers(writer, draw);
}

function number(writer: ByteWriter, draw: Draw): void {
  if (draw.chance(0.05)) writer.bytes(draw.bytes(8));
  else writer.uint53(draw.number());
}

function id(draw: Draw): string | Uint8Array {
  if (!draw.chance(0.03)) return draw.text("abc._-/:@", 1, 26);
  return draw.oneOf(["", "a".repeat(129), "two words", "é", "a\r\nb", draw.bytes(9)]);
}

function name(draw: Draw): string | Uint8Array {
  if (!draw.chance(0.06)) return draw.oneOf(["risk.assess", "prüfen", "漢字"]);
  const invalid = Uint8Array.of(0x61, 0xc3, 0x28);
  const surrogate = Uint8Array.of(0xed, 0xa0, 0x80);
  return draw.oneOf(["", "a\nb", "\u007f", "é\u0085", invalid, surrogate, draw.bytes(20)]);
}

function topic(draw: Draw): string {
  if (!draw.chance(0.4)) return "_inbox.01JD3K8V5Q9X7ZB2C4F6G8H0JK";
  return draw.oneOf(["", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b", "ü", "a.".repeat(40)]);
}

function recipients(writer: ByteWriter, draw: Draw): void {
  if (draw.chance(0.02)) {
    writer.uint16(draw.oneOf([1_025, 65_535]));
    return;
  }
  const count = draw.oneOf([0, 1, 3]);
  writer.uint16(count);
  const hostile = ["agent", "agent:", "nobody:a", `agent:${"a".repeat(129)}`, "agent:a b", ""];
  for (let index = 0; index < count; index++) {
    writer.text8(draw.chance(0.03) ? draw.oneOf(hostile) : "type:worker");
  }
}

function path(writer: ByteWriter, draw: Draw): void {
  const count = draw.oneOf([0, 1, 64, 65, 255]);
  writer.uint8(count);
  for (let index = 0; index < count; index++) {
    writer.bytes(lengthAndText(id(draw)));
    writer.bytes(lengthAndText(name(draw)));
  }
}

function headers(writer: ByteWriter, draw: Draw): void {
  const count = draw.oneOf([0, 1, 2, 2, 64, 65]);
  writer.uint8(count);
  const long = draw.chance(0.2) ? 600 : 5;
  for (let index = 0; index < count; index++) {
    const hostile = draw.chance(0.4 / count);
    writer.text8(hostile ? draw.oneOf(["", "__proto__", "a b", "h0", "ü"]) : `h${index}`);
    const value = headerValue(draw, long, count);
    writer.uint16(value.length);
    writer.bytes(value);
  }
}

function headerValue(draw: Draw, long: number, count: number): Uint8Array {
  if (!draw.chance(0.3 / count)) return encoder.encode("v".repeat(draw.below(long)));
  return draw.oneOf([encoder.encode("a\r\nx: y"), Uint8Array.of(0xff), encoder.encode("é\u009f")]);
}

function lengthAndText(text: string | Uint8Array): Uint8Array {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  return joined([Uint8Array.of(bytes.length), bytes]);
}

const hostileTexts = [
  '{"a":{"__proto__":{"admin":true}}}',
  '{"a":"\\u005f_proto__","\\u005f_proto__":1}',
  "[".repeat(65) + "]".repeat(65),
  "[".repeat(50_000),
  "[1e999]",
  "{",
  "",
  "\u0000",
  '"\\ud800"',
  "[-0]",
  `{"a":${"9".repeat(400)}}`,
];

/** JSON and the places of byte arrays in it, of which there are two bytes. */
const hostilePlaces = [
  ['{"a":null}', '[[["a"],2]]'],
  ['{"a":null}', '[[["a"],3]]'],
  ['{"a":null}', '[[["a"],1]]'],
  ['{"a":null}', '[[["a"],1],[["a"],1]]'],
  ['{"a":null}', '[[["a"],1],[["a",0],1]]'],
  ['{"a":1}', '[[["a"],2]]'],
  ['{"a":null}', '[[["b"],2]]'],
  ["{}", '[[["__proto__","__proto__"],2]]'],
  ["[null]", '[[["length"],2]]'],
  ["[null]", "[[[0],2]]"],
  ["[null]", "[[[1],2]]"],
  ["[null]", "[[[],2]]"],
  ["null", '[[["a"],2]]'],
  ['{"a":null}', '[[["a"],-2]]'],
  ['{"a":null}', '[[["a"]]]'],
  ['{"a":null}', "{}"],
  ["[[[]]]", "[["],
] as const;

function hostileJsonAndBytes(draw: Draw): Uint8Array {
  const parts = draw
    .oneOf(hostilePlaces)
    .flatMap((json) => [
      uint32(draw.chance(0.05) ? draw.number() : json.length),
      encoder.encode(json),
    ]);
  return joined([...parts, draw.bytes(2)]);
}

/** A valid header over a payload that is not what it says. */
function withHostilePayload(draw: Draw): Uint8Array {
  const text = encoder.encode(draw.oneOf(hostileTexts));
  const codec = draw.oneOf([0, 1, 1, 2, 3, 3, 3, 4] as const);
  const plain = codec === 3 ? hostileJsonAndBytes(draw) : text;
  const bytes = codec === 4 ? hostileBatch(draw) : draw.chance(0.1) ? draw.bytes(9) : plain;
  const compression = draw.oneOf([0, 0, 0, 0, 0, 0, 0, 1, 2] as const);
  const envelope = validEnvelope(draw);
  if (draw.chance(0.2)) return encodeMessage(envelope, { codec, compression, bytes });
  const packed = draw.chance(0.05) ? bombs[compression] : compressors[compression](bytes);
  return encodeMessage(envelope, { codec, compression, bytes: packed });
}

const compressors = [
  (bytes: Uint8Array): Uint8Array => bytes,
  (bytes: Uint8Array): Uint8Array => gzipSync(bytes, { level: 1 }),
  (bytes: Uint8Array): Uint8Array => zstdCompressSync(bytes),
] as const;

function hostileBatch(draw: Draw): Uint8Array {
  const member = validFrame(draw);
  const tiny = frame(new Uint8Array(0), new Uint8Array(0));
  return draw.oneOf([
    () => joined([member, draw.bytes(draw.below(30))]),
    () => member.subarray(0, draw.below(member.length)),
    () => joined(Array.from({ length: 1_001 }, () => tiny)),
    () => hostileHead(draw),
    () => member,
  ])();
}

const zeros = new Uint8Array(2 ** 20 + 1);
const bombs = [new Uint8Array(1), gzipSync(zeros), zstdCompressSync(zeros)] as const;

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
