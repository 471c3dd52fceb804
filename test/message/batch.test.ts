import { expect, test } from "vitest";
import { decodeBatch, encodeBatch } from "../../src/message/batch.ts";
import { compressPayload } from "../../src/message/compression.ts";
import type { Envelope } from "../../src/message/envelope.ts";
import { decodeMessage, encodeMessage, readMessage } from "../../src/message/envelope-codec.ts";
import { frameTypes } from "../../src/message/frame.ts";
import { FrameWriter } from "../../src/message/frame-writer.ts";
import type { EncodedPayload } from "../../src/message/message.ts";
import { encodePayload } from "../../src/message/payload.ts";
import { envelopeArbitrary } from "../support/message-arbitraries.ts";
import { fc } from "../support/properties.ts";

const envelope: Envelope = {
  id: "b1",
  version: "1.0.0",
  kind: "batch",
  name: "orders",
  from: { agent: "a", type: "b", instance: "c" },
  to: ["type:ledger"],
  createdMs: 0,
  priority: "normal",
};

const member = encodeMessage({ ...envelope, kind: "event" }, encodePayload({ a: 1 }));

test("the messages of a batch arrive as they were, in order", () => {
  const members = fc.array(fc.tuple(envelopeArbitrary, fc.json()), { maxLength: 10 });
  fc.assert(
    fc.property(members, fc.boolean(), (messages, compressed) => {
      const frames = messages.map(([each, text]) => encodeMessage(each, encodePayload(text)));
      const batch = encodeBatch(frames);
      const payload = compressed ? compressPayload(batch, { bytesMin: 0 }) : batch;
      const arrived = decodeMessage(encodeMessage(envelope, payload));
      const read = decodeBatch(arrived.payload).map(readMessage);
      expect(read.map((message) => message.envelope)).toEqual(messages.map(([each]) => each));
    }),
  );
});

test("a batch holds 1,000 messages and no more", () => {
  const full = encodeBatch(Array(1_000).fill(member));
  expect(decodeBatch(full)).toHaveLength(1_000);
  const tooLarge = expect.objectContaining({
    code: "MESSAGE_TOO_LARGE",
    details: expect.objectContaining({ field: "batch", limit: 1_000, unit: "messages" }),
  });
  expect(() => encodeBatch(Array(1_001).fill(member))).toThrow(tooLarge);
  const more = { ...full, bytes: Buffer.concat([full.bytes, member]) };
  expect(() => decodeBatch(more)).toThrow(tooLarge);
});

test("a batch is at most as long as a payload", () => {
  expect(() => encodeBatch([member, member], member.length)).toThrow(
    expect.objectContaining({
      code: "MESSAGE_TOO_LARGE",
      details: expect.objectContaining({ field: "batch", limit: member.length, unit: "bytes" }),
    }),
  );
});

function ping(): Uint8Array {
  const writer = new FrameWriter();
  const frame = writer.begin(frameTypes.PING);
  writer.endHeader(frame);
  writer.end(frame);
  return writer.take();
}

const wrong: readonly (readonly [name: string, frame: Uint8Array])[] = [
  ["a batch", encodeMessage(envelope, encodeBatch([member]))],
  ["a frame of a hub", ping()],
  ["a frame without its end", member.subarray(0, -1)],
  ["a frame and something behind it", Buffer.concat([member, Uint8Array.of(1)])],
];

for (const [name, frame] of wrong) {
  test(`a batch does not hold ${name}`, () => {
    const invalid = expect.objectContaining({ code: "INVALID_MESSAGE" });
    expect(() => encodeBatch([frame])).toThrow(invalid);
    const payload: EncodedPayload = { codec: 4, compression: 0, bytes: frame };
    expect(() => decodeBatch(payload)).toThrow(invalid);
  });
}

test("a payload that is no batch is not read as one", () => {
  expect(() => decodeBatch(encodePayload({ a: 1 }))).toThrow(
    expect.objectContaining({ details: { field: "codec", limit: "frames" } }),
  );
});
