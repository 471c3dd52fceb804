import { describe, expect, test } from "vitest";
import type { Envelope } from "../../src/message/envelope.ts";
import {
  decodeMessage,
  encodeMessage,
  encodeValue,
  writeMessage,
} from "../../src/message/envelope-codec.ts";
import { frameTypes } from "../../src/message/frame.ts";
import { FrameWriter } from "../../src/message/frame-writer.ts";
import type { EncodedPayload, Message } from "../../src/message/message.ts";
import { decodePayload, encodePayload } from "../../src/message/payload.ts";
import { validateEnvelope } from "../../src/message/validate-envelope.ts";
import { envelopeArbitrary, payloadArbitrary } from "../support/message-arbitraries.ts";
import { fc } from "../support/properties.ts";

const payload: EncodedPayload = { codec: 1, compression: 0, bytes: Uint8Array.of(0x7b, 0x7d) };

const small: Envelope = {
  id: "m1",
  version: "1.0.0",
  kind: "request",
  name: "risk.assess",
  from: { agent: "analyst-1", type: "analyst", instance: "i1" },
  to: ["agent:risk-1"],
  createdMs: 1_763_640_000_000,
  priority: "high",
};

const full: Envelope = {
  ...small,
  ttlMs: 1,
  deadlineMs: 2,
  timeoutMs: 3,
  sequence: 4,
  credit: 5,
  hops: 6,
  budget: 7,
  replyTo: "_inbox.i1",
  correlationId: "c",
  conversationId: "d",
  workflowId: "e",
  causationId: "f",
  key: "kunde 456 – groß",
  trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  path: [
    { agent: "a", name: "risk.assess" },
    { agent: "b", name: "größe" },
  ],
  headers: { "x-team": "blå" },
  status: "partial",
};

/** Wherever the payload lies. */
function partsOf({ envelope, payload: { codec, compression, bytes } }: Message) {
  return { envelope, codec, compression, bytes };
}

test("any envelope and payload are the same after a journey", () => {
  fc.assert(
    fc.property(
      envelopeArbitrary,
      fc.uint8Array(),
      fc.constantFrom(0, 1, 2, 3, 4),
      fc.constantFrom(0, 1, 2),
      (envelope, bytes, codec, compression) => {
        const message = decodeMessage(encodeMessage(envelope, { codec, compression, bytes }));
        expect(partsOf(message)).toEqual({ envelope, codec, compression, bytes });
        expect(Object.keys(message.envelope).sort()).toEqual(Object.keys(envelope).sort());
      },
    ),
    { numRuns: 500 },
  );
});

test("an id that is the correlationId travels once, and needs one to stand for", () => {
  const answer: Envelope = { ...small, id: "request-1", correlationId: "request-1" };
  const frame = encodeMessage(answer, payload);
  expect(decodeMessage(frame).envelope).toEqual(answer);
  expect(frame.length).toBe(encodeMessage({ ...answer, id: "r" }, payload).length - 1);

  const without = encodeMessage({ ...small, id: "x" }, payload);
  const idLength = 12 + 12 + 8 + 2;
  expect(without[idLength]).toBe(1);
  without[idLength] = 0;
  expect(() => decodeMessage(without)).toThrow(
    expect.objectContaining({ code: "INVALID_MESSAGE" }),
  );
});

test("a value becomes the same frame as its payload by itself", () => {
  fc.assert(
    fc.property(envelopeArbitrary, payloadArbitrary, (envelope, value) => {
      expect(encodeValue(envelope, value)).toEqual(encodeMessage(envelope, encodePayload(value)));
    }),
    { numRuns: 300 },
  );
});

test.each([10, 4_096, 4_097, 100_000, 2 ** 20 - 2])(
  "a text of %i characters is the same after a journey, compressed or not",
  (length) => {
    const text = "ä€𝄞x".repeat(length).slice(0, length / 4);
    for (const algorithm of ["none", "gzip", "zstd"] as const) {
      const frame = encodeValue(small, text, { algorithm });
      expect(decodePayload(decodeMessage(frame).payload)).toBe(text);
    }
  },
);

test("a value that is too large or not plain is refused, and leaves nothing behind", () => {
  const refusal = (code: string) => expect.objectContaining({ code });
  expect(() => encodeValue(small, "x".repeat(2 ** 20))).toThrow(refusal("MESSAGE_TOO_LARGE"));
  expect(() => encodeValue(small, () => {})).toThrow(refusal("SERIALIZATION_ERROR"));
  expect(() => encodeValue({ ...small, id: "" }, 1)).toThrow(refusal("INVALID_MESSAGE"));
  expect(decodePayload(decodeMessage(encodeValue(small, 1)).payload)).toBe(1);
});

test("the bytes are what the grammar says", () => {
  const writer = new FrameWriter();
  writeMessage(writer, { ...small, ttlMs: 258 }, payload);
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const createdMs = new DataView(new ArrayBuffer(8));
  createdMs.setBigUint64(0, BigInt(small.createdMs));
  const header = [
    ...[1, 0, 0, 1, 1, 1, 0, 0],
    ...[0, 0, 0, 1],
    ...new Uint8Array(createdMs.buffer),
    ...[0, 0],
    ...["m1", "risk.assess", "analyst-1", "analyst", "i1"].flatMap(text),
    ...[0, 1, ...text("agent:risk-1")],
    ...[0, 0, 0, 0, 0, 0, 1, 2],
  ];
  expect([...writer.take()]).toEqual([
    ...[1, frameTypes.MESSAGE, 0, 0, 0, 0, 0, header.length, 0, 0, 0, 2],
    ...header,
    ...[0x7b, 0x7d],
  ]);
});

test("what a later version adds behind the known fields is skipped", () => {
  const frame = encodeMessage(full, payload);
  const grown = new Uint8Array(frame.length + 5);
  const headerLength = new DataView(frame.buffer, frame.byteOffset).getUint32(4);
  grown.set(frame.subarray(0, 12 + headerLength));
  grown.set([1, 2, 3, 4, 5], 12 + headerLength);
  grown.set(frame.subarray(12 + headerLength), 12 + headerLength + 5);
  new DataView(grown.buffer).setUint32(4, headerLength + 5);
  grown[12 + 8] = 0xff;
  expect(partsOf(decodeMessage(grown))).toEqual(partsOf(decodeMessage(frame)));
});

test("what stands in the place for authentication is skipped", () => {
  const frame = encodeMessage(full, payload);
  const at = 12 + 20;
  const signed = new Uint8Array([
    ...frame.subarray(0, at),
    ...[0, 3, 7, 7, 7],
    ...frame.subarray(at + 2),
  ]);
  const view = new DataView(signed.buffer);
  view.setUint32(4, view.getUint32(4) + 3);
  expect(partsOf(decodeMessage(signed))).toEqual(partsOf(decodeMessage(frame)));
});

test("each field that is cut short is refused", () => {
  const frame = encodeMessage(full, payload);
  const headerLength = new DataView(frame.buffer, frame.byteOffset).getUint32(4);
  for (let kept = 0; kept < headerLength; kept++) {
    const cut = new Uint8Array([...frame.subarray(0, 12 + kept), ...payload.bytes]);
    new DataView(cut.buffer).setUint32(4, kept);
    const limit = expect.stringMatching(kept < 12 ? /12 bytes or more/ : /more bytes of header/);
    expect(() => decodeMessage(cut)).toThrow(
      expect.objectContaining({
        code: "INVALID_MESSAGE",
        details: expect.objectContaining({ limit }),
      }),
    );
  }
});

test("bytes before or behind the frame are refused", () => {
  const frame = encodeMessage(small, payload);
  expect(() => decodeMessage(new Uint8Array([...frame, 0]))).toThrow(
    expect.objectContaining({ details: expect.objectContaining({ field: "frame" }) }),
  );
  const ping = new FrameWriter();
  const open = ping.begin(frameTypes.PING);
  ping.endHeader(open);
  ping.end(open);
  expect(() => decodeMessage(ping.take())).toThrow(
    expect.objectContaining({ details: expect.objectContaining({ field: "frame.type" }) }),
  );
});

test("a payload above the limit is refused at both ends", () => {
  const limits = { headerBytesMax: 65_536, payloadBytesMax: 1 };
  const error = expect.objectContaining({ code: "MESSAGE_TOO_LARGE" });
  expect(() => encodeMessage(small, payload, limits)).toThrow(error);
  expect(() => decodeMessage(encodeMessage(small, payload), limits)).toThrow(error);
});

/** Values that no envelope may have, with the field an error must name. */
const wrong: readonly (readonly [field: string, change: object, code?: string])[] = [
  ["id", { id: "" }],
  ["id", { id: "a".repeat(129) }],
  ["id", { id: "two words" }],
  ["id", { id: undefined }],
  ["version", { version: "1.0.1" }, "INVALID_VERSION"],
  ["version", { version: "2.0.0" }, "INVALID_VERSION"],
  ["kind", { kind: "question" }],
  ["kind", { kind: "constructor" }],
  ["kind", { kind: undefined }],
  ["priority", { priority: "urgent" }],
  ["name", { name: "" }],
  ["name", { name: "a\r\nb" }],
  ["name", { name: "a\u0085" }],
  ["name", { name: "\ud800" }],
  ["name", { name: "ü".repeat(128) }],
  ["name", { name: 7 }],
  ["from.agent", { from: { ...small.from, agent: "" } }],
  ["from.type", { from: { ...small.from, type: "ü" } }],
  ["from.instance", { from: { ...small.from, instance: 3 } }],
  ["to", { to: ["nobody:a"] }],
  ["to", { to: ["agent:"] }],
  ["to", { to: Array(1_025).fill("agent:a") }],
  ["createdMs", { createdMs: -1 }],
  ["createdMs", { createdMs: 0.5 }],
  ["ttlMs", { ttlMs: Number.NaN }],
  ["deadlineMs", { deadlineMs: Number.POSITIVE_INFINITY }],
  ["timeoutMs", { timeoutMs: 2 ** 53 }],
  ["sequence", { sequence: "1" }],
  ["credit", { credit: -1 }],
  ["hops", { hops: 1.5 }],
  ["budget", { budget: null }],
  ["replyTo", { replyTo: "a..b" }],
  ["replyTo", { replyTo: "a.*" }],
  ["correlationId", { correlationId: "a b" }],
  ["conversationId", { conversationId: "" }],
  ["workflowId", { workflowId: "\n" }],
  ["causationId", { causationId: {} }],
  ["key", { key: "" }],
  ["trace", { trace: "\u0000" }],
  ["path.agent", { path: [{ agent: "a b", name: "n" }] }],
  ["path.name", { path: [{ agent: "a", name: "" }] }],
  ["path", { path: Array(65).fill({ agent: "a", name: "n" }) }],
  ["status", { status: "done" }],
  ["headers", { headers: { "a b": "c" } }],
  ["headers", { headers: JSON.parse('{"__proto__":"c"}') }],
  ["headers", { headers: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`h${n}`, ""])) }],
  ["headers.a", { headers: { a: "b\nc" } }],
  ["headers.a", { headers: { a: 7 } }],
  ["headers", { headers: { a: "x".repeat(16_384) } }, "MESSAGE_TOO_LARGE"],
  ["headers", { headers: { a: "x".repeat(70_000) } }, "MESSAGE_TOO_LARGE"],
  ["headers", { headers: { a: "ü".repeat(8_192) } }, "MESSAGE_TOO_LARGE"],
];

describe("an envelope is refused by the encoder and by the validator alike, naming the field", () => {
  for (const [field, change, code = "INVALID_MESSAGE"] of wrong) {
    test(`${field}: ${JSON.stringify(change).slice(0, 60)}`, () => {
      const envelope = { ...small, ...change };
      const error = expect.objectContaining({
        code,
        details: expect.objectContaining({ field, limit: expect.anything() }),
      });
      expect(() => encodeMessage(envelope as Envelope, payload)).toThrow(error);
      expect(() => validateEnvelope(envelope)).toThrow(error);
    });
  }
});

test("a refused envelope leaves nothing behind for the next one", () => {
  expect(() => encodeMessage({ ...full, key: "" }, payload)).toThrow();
  expect(decodeMessage(encodeMessage(full, payload)).envelope).toEqual(full);
});

test("the header as a whole has a limit, whatever its parts", () => {
  const to = Array.from(
    { length: 1_000 },
    (_, index) => `agent:${"a".repeat(100)}${index}` as const,
  );
  expect(() => encodeMessage({ ...small, to }, payload)).toThrow(
    expect.objectContaining({
      code: "MESSAGE_TOO_LARGE",
      details: expect.objectContaining({ field: "header", limit: 65_536 }),
    }),
  );
});

test("the validator takes every envelope that can be sent, and hands it back", () => {
  fc.assert(
    fc.property(envelopeArbitrary, (envelope) => {
      expect(validateEnvelope(envelope)).toBe(envelope);
    }),
  );
});

test("the validator refuses what is no envelope, and fields that no envelope has", () => {
  for (const value of [undefined, null, 7, "text", []]) {
    expect(() => validateEnvelope(value)).toThrow(
      expect.objectContaining({ details: { field: "envelope", limit: "an object" } }),
    );
  }
  expect(() => validateEnvelope({ ...small, prority: "high" })).toThrow(
    expect.objectContaining({ details: { field: "prority", limit: "no such field" } }),
  );
  expect(() => validateEnvelope({ ...small, from: { ...small.from, name: "x" } })).toThrow(
    expect.objectContaining({ details: { field: "from.name", limit: "no such field" } }),
  );
  expect(() => validateEnvelope({ ...small, from: undefined })).toThrow(
    expect.objectContaining({ details: expect.objectContaining({ field: "from" }) }),
  );
});
