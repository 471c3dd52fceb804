/** Bytes that a reader must refuse, and with which code. */
import { crc32 } from "node:zlib";
import { readAwait } from "../../src/broker/hub/operations/await.ts";
import { readCall } from "../../src/broker/hub/operations/call.ts";
import { readEnqueue } from "../../src/broker/hub/operations/enqueue.ts";
import { readHello } from "../../src/broker/hub/operations/greeting.ts";
import { sessionLimits, strangerLimits } from "../../src/broker/hub/operations/limits.ts";
import { readNotice } from "../../src/broker/hub/operations/notice.ts";
import { readEnded, readReceive, writeReceive } from "../../src/broker/hub/operations/receive.ts";
import { readSettle } from "../../src/broker/hub/operations/settle.ts";
import { readSubscribe } from "../../src/broker/hub/operations/topics.ts";
import { readTracked } from "../../src/broker/hub/operations/track.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { decodeMessage } from "../../src/message/envelope-codec.ts";
import { type Frame, type FrameLimits, frameAt, frameTypes } from "../../src/message/frame.ts";
import { compressions, type EncodedPayload, payloadCodecs } from "../../src/message/message.ts";
import { decodePayload } from "../../src/message/payload.ts";
import { anEvent } from "./messages.ts";
import { storedGzip, storedZstd } from "./payloads.ts";
import { bytesOf, type FrameName, joined, rawFrame, utf8, written } from "./vector.ts";

export interface MalformedVector {
  readonly name: string;
  /** A frame of a session, a whole message, or a payload. */
  readonly as: "frame" | "message" | "payload";
  readonly bytes: Uint8Array;
  readonly code: ErrorCode;
  /** Of a payload. */
  readonly codec?: number;
  readonly compression?: number;
  /** Before WELCOME: other limits hold. */
  readonly beforeWelcome?: true;
  /** Throws. */
  readonly read: () => unknown;
}

/** A head is refused as soon as it is there, whatever follows. */
function head(name: string, hex: string, code: ErrorCode, beforeWelcome = false): MalformedVector {
  const bytes = bytesOf(hex);
  const limits: FrameLimits = beforeWelcome ? strangerLimits : sessionLimits;
  const read = () => frameAt(bytes, 0, limits);
  const vector = { name, as: "frame", bytes, code, read } as const;
  return beforeWelcome ? { ...vector, beforeWelcome } : vector;
}

function frame(
  name: string,
  type: FrameName,
  header: Uint8Array,
  read: (frame: Frame) => unknown,
  payload: Uint8Array = new Uint8Array(0),
  code: ErrorCode = "INVALID_MESSAGE",
): MalformedVector {
  const bytes = rawFrame(frameTypes[type], header, payload);
  const readBytes = () => read(frameAt(bytes, 0, sessionLimits));
  return { name: `${type}: ${name}`, as: "frame", bytes, code, read: readBytes };
}

/** Of the event that is changed: where the fields of its header begin, from the beginning of the frame. */
const major = 12;
const kind = major + 3;
const priority = major + 4;
const codec = major + 5;
const compression = major + 6;
const present = major + 8;
const createdMs = major + 12;
const authentication = major + 20;
const id = major + 22;

/** @param hex - instead of what stands at `offset`. */
function message(
  name: string,
  offset: number,
  hex: string,
  code: ErrorCode = "INVALID_MESSAGE",
): MalformedVector {
  const bytes = Uint8Array.from(anEvent);
  bytes.set(bytesOf(hex), offset);
  return { name, as: "message", bytes, code, read: () => decodeMessage(bytes) };
}

/** @param fields - the optional ones, behind what an event has in any case. */
function messageWith(name: string, bit: number, fields: Uint8Array): MalformedVector {
  const plain = Buffer.from(anEvent);
  const headerLength = plain.readUInt32BE(4);
  const headerEnd = 12 + headerLength;
  const bytes = joined(plain.subarray(0, headerEnd), fields, plain.subarray(headerEnd));
  const view = new DataView(bytes.buffer);
  view.setUint32(4, headerLength + fields.length);
  view.setUint32(present, bit);
  return { name, as: "message", bytes, code: "INVALID_MESSAGE", read: () => decodeMessage(bytes) };
}

/** Only who names a correlationId may leave the id out. */
function withoutId(): MalformedVector {
  const length = anEvent[id] as number;
  const bytes = joined(anEvent.slice(0, id), bytesOf("00"), anEvent.slice(id + 1 + length));
  const view = new DataView(bytes.buffer);
  view.setUint32(4, view.getUint32(4) - length);
  const read = () => decodeMessage(bytes);
  return {
    name: "no id, and no correlationId",
    as: "message",
    bytes,
    code: "INVALID_MESSAGE",
    read,
  };
}

function payload(
  name: string,
  form: Pick<EncodedPayload, "codec" | "compression">,
  bytes: Uint8Array,
  code: ErrorCode = "INVALID_MESSAGE",
): MalformedVector {
  const encoded = { ...form, bytes };
  return { name, as: "payload", bytes, code, ...form, read: () => decodePayload(encoded) };
}

const { none, gzip, zstd } = compressions;
const json = { codec: payloadCodecs.json, compression: none } as const;
const jsonAndBytes = { codec: payloadCodecs.jsonAndBytes, compression: none } as const;
const asGzip = { codec: payloadCodecs.json, compression: gzip } as const;
const asZstd = { codec: payloadCodecs.json, compression: zstd } as const;

const text8 = (text: string): Uint8Array => joined(Uint8Array.of(text.length), utf8(text));
const text16 = (text: string): Uint8Array => joined(Uint8Array.of(0, text.length), utf8(text));
const u32 = (number: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
};
const u53 = (number: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
};

/**
 * 1 MiB and some bytes of zeros as gzip: one block of fixed codes, a zero and then matches of 258 bytes at
 * distance 1, of 8 and 5 bits. A reader that did not stop would find nothing wrong with it.
 */
function bomb(): Uint8Array {
  const matches = Math.ceil(2 ** 20 / 258);
  const bits = ["1", "10", "00110000", "1100010100000".repeat(matches), "0000000"].join("");
  const deflated = new Uint8Array(Math.ceil(bits.length / 8));
  for (let at = 0; at < bits.length; at++) {
    if (bits[at] === "1") (deflated[at >> 3] as number) |= 1 << (at & 7);
  }
  const size = 1 + matches * 258;
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(new Uint8Array(size)), 0);
  tail.writeUInt32LE(size, 4);
  return joined(bytesOf("1f8b08000000000000ff"), deflated, tail);
}

function nested(levels: number): Uint8Array {
  return utf8("[".repeat(levels) + "]".repeat(levels));
}

function places(value: string, list: string, bytes: Uint8Array): Uint8Array {
  return joined(u32(value.length), utf8(value), u32(list.length), utf8(list), bytes);
}

const bees = storedGzip(utf8('"bees"'));

/** A window of 16 MiB. */
const wideZstd = bytesOf("28b52ffd 00 70 090000 61");

export const malformedVectors: readonly MalformedVector[] = [
  head("a frame of version 2", "02 10 00 00 00000000 00000000", "INVALID_VERSION"),
  head("a frame of suite 1", "01 10 01 00 00000000 00000000", "INVALID_VERSION"),
  head("a frame of type 0", "01 00 00 00 00000000 00000000", "INVALID_MESSAGE"),
  head("a frame of type 200", "01 c8 00 00 00000000 00000000", "INVALID_MESSAGE"),
  head("a header of 64 KiB and a byte", "01 22 00 00 00010001 00000000", "MESSAGE_TOO_LARGE"),
  head("a payload of 16 MiB and a byte", "01 22 00 00 00000009 01000001", "MESSAGE_TOO_LARGE"),
  head(
    "before WELCOME, 16 KiB and a byte",
    "01 10 00 00 00004001 00000000",
    "MESSAGE_TOO_LARGE",
    true,
  ),
  head(
    "before WELCOME, a payload of 1 KiB and a byte",
    "01 10 00 00 00000010 00000401",
    "MESSAGE_TOO_LARGE",
    true,
  ),
  frame("no JSON", "HELLO", utf8("hello"), readHello),
  frame("protocol 2", "HELLO", utf8('{"protocol":2}'), readHello, undefined, "INVALID_VERSION"),
  frame(
    "no incarnation",
    "HELLO",
    utf8('{"protocol":1,"name":"desk","process":1,"host":"box"}'),
    readHello,
  ),
  frame(
    "a process that is no number",
    "HELLO",
    utf8('{"protocol":1,"incarnation":"01J","name":"desk","process":"1","host":"box"}'),
    readHello,
  ),
  frame(
    "a number above 2^53 - 1",
    "SUBSCRIBE",
    joined(bytesOf("0020000000000000"), text8("a")),
    readSubscribe,
  ),
  frame(
    "a text that is longer than the header",
    "SUBSCRIBE",
    joined(u53(1), bytesOf("09"), utf8("market")),
    readSubscribe,
  ),
  frame("a text that is no UTF-8", "SUBSCRIBE", joined(u53(1), bytesOf("02 c3 28")), readSubscribe),
  frame(
    "guarantee 3",
    "ENQUEUE",
    joined(u53(1), u53(1), bytesOf("03 02"), text16("q"), text16("id")),
    (found) => readEnqueue(found, "i"),
  ),
  frame("lane 4", "ENQUEUE", joined(u53(1), u53(1), bytesOf("01 04"), text16("q")), (found) =>
    readEnqueue(found, "i"),
  ),
  {
    name: "RECEIVE: credit 0",
    as: "frame",
    ...(() => {
      const bytes = written((writer) =>
        writeReceive(writer, {
          receiver: 1,
          credit: 0,
          queue: "q",
          consumer: "c",
          claims: [],
          hearsNotices: false,
        }),
      );
      return { bytes, read: () => readReceive(frameAt(bytes)) };
    })(),
    code: "INVALID_MESSAGE",
  },
  frame(
    "half a claim",
    "RECEIVE",
    joined(u53(1), u32(1), text16("q"), text16("c"), bytesOf("00")),
    readReceive,
    u53(1),
  ),
  frame(
    "outcome 9",
    "SETTLE",
    joined(
      u53(1),
      u53(1),
      u53(1),
      bytesOf("09"),
      text16("q"),
      text16('{"code":"CANCELLED","message":""}'),
      u32(0),
    ),
    readSettle,
  ),
  frame(
    "a result longer than the payload",
    "SETTLE",
    joined(u53(1), u53(1), u53(1), bytesOf("01"), text16("q"), u32(9)),
    readSettle,
    utf8("result"),
  ),
  frame(
    "an effect that is none",
    "SETTLE",
    joined(u53(1), u53(1), u53(1), bytesOf("00"), text16("q"), u32(0)),
    readSettle,
    rawFrame(frameTypes.PING, u53(1)),
  ),
  frame("an error that is no JSON", "ENDED", joined(u53(1), text16("gone")), readEnded),
  frame(
    "an error with a code that does not exist",
    "ENDED",
    joined(u53(1), text16('{"code":"GONE","message":"gone"}')),
    readEnded,
  ),
  frame("state 13", "TRACKED", joined(u53(1), bytesOf("0d")), readTracked),
  frame("kind 4", "NOTICE", joined(u53(1), u53(1), u53(1), bytesOf("04")), (found) =>
    readNotice(found, "q"),
  ),
  frame(
    "more than 4,096 messages",
    "AWAIT",
    joined(text16("q"), u32(1), u53(1), u53(1), u32(4_097)),
    (found) => readAwait(found, () => {}),
  ),
  frame("codec 4", "CALL", joined(u53(1), text8("queues.mailboxes"), bytesOf("04")), readCall),
  message("a message of version 2.0.0", major, "02", "INVALID_VERSION"),
  message("a message of kind 0", kind, "00"),
  message("a message of kind 10", kind, "0a"),
  message("a message of priority 4", priority, "04"),
  message("a message of codec 5", codec, "05"),
  message("a message of compression 3", compression, "03"),
  message("a time above 2^53 - 1", createdMs, "0020000000000000"),
  message("authentication that is longer than the header", authentication, "ffff"),
  message("an id with a space in it", id + 1, "20"),
  withoutId(),
  message("a field whose bytes are missing", present, "00000001"),
  messageWith("a correlationId that is no id", 0x100, text8("a b")),
  messageWith("a trace with a control character", 0x2000, text8("a\u0007b")),
  messageWith(
    "a header twice",
    0x8000,
    joined(bytesOf("02"), text8("x"), text16("1"), text8("x"), text16("2")),
  ),
  messageWith("a header __proto__", 0x8000, joined(bytesOf("01"), text8("__proto__"), text16("1"))),
  messageWith(
    "a path of 65",
    0x4000,
    joined(bytesOf("41"), ...Array.from({ length: 65 }, () => joined(text8("a"), text8("b")))),
  ),
  {
    name: "bytes behind a message",
    as: "message",
    bytes: joined(anEvent, bytesOf("00")),
    code: "INVALID_MESSAGE",
    read: () => decodeMessage(joined(anEvent, bytesOf("00"))),
  },
  {
    name: "a message that is cut",
    as: "message",
    bytes: anEvent.slice(0, -1),
    code: "INVALID_MESSAGE",
    read: () => decodeMessage(anEvent.slice(0, -1)),
  },
  payload(
    "no payload, of one byte",
    { codec: payloadCodecs.none, compression: none },
    bytesOf("00"),
  ),
  payload("JSON that is none", json, utf8("{bees}")),
  payload("JSON that is no UTF-8", json, bytesOf("22 c3 28 22")),
  payload("JSON with a key __proto__", json, utf8('{"__proto__":1}'), "SERIALIZATION_ERROR"),
  payload("66 arrays in one another", json, nested(66), "SERIALIZATION_ERROR"),
  payload("a place that does not exist", jsonAndBytes, places("{}", '[[["a"],1]]', bytesOf("00"))),
  payload(
    "a place that is not null",
    jsonAndBytes,
    places('{"a":1}', '[[["a"],1]]', bytesOf("00")),
  ),
  payload(
    "fewer bytes than the places say",
    jsonAndBytes,
    places('{"a":null}', '[[["a"],2]]', bytesOf("00")),
  ),
  payload(
    "more bytes than the places say",
    jsonAndBytes,
    places('{"a":null}', '[[["a"],1]]', bytesOf("0001")),
  ),
  payload("gzip that is cut", asGzip, bees.slice(0, -9)),
  payload(
    "gzip whose checksum is wrong",
    asGzip,
    Uint8Array.from(bees, (byte, at) => (at === bees.length - 8 ? byte ^ 1 : byte)),
  ),
  payload("two gzip members", asGzip, joined(storedGzip(utf8("[1,")), storedGzip(utf8("2]")))),
  payload("a gzip member behind an empty one", asGzip, joined(storedGzip(utf8("")), bees)),
  payload("gzip with a byte behind it", asGzip, joined(bees, bytesOf("00"))),
  payload("gzip with its size behind it", asGzip, joined(bees, bees.slice(-4))),
  payload("gzip of more than 1 MiB", asGzip, bomb(), "MESSAGE_TOO_LARGE"),
  payload("zstd that is cut", asZstd, storedZstd(utf8('"bees"')).slice(0, -1)),
  payload("zstd that needs a window of 16 MiB", asZstd, wideZstd),
];
