/** What is remembered from earlier messages must never show in what later ones say. */

import { expect, test } from "vitest";
import { ByteReader } from "../../src/message/byte-reader.ts";
import { ByteWriter } from "../../src/message/byte-writer.ts";
import type { Envelope } from "../../src/message/envelope.ts";
import { decodeMessage, encodeMessage } from "../../src/message/envelope-codec.ts";
import { encodePayload } from "../../src/message/payload.ts";
import { fc } from "../support/properties.ts";

const id = fc.constantFrom("a", "b", "ab", "analyst-1", "analyst-2", "x".repeat(128));
const payload = encodePayload({ price: 1 });

const envelope: fc.Arbitrary<Envelope> = fc.record({
  id,
  version: fc.constant("1.0.0"),
  kind: fc.constantFrom("request", "response"),
  name: fc.constantFrom("ask", "tell", "é", "n".repeat(200)),
  from: fc.record({ agent: id, type: id, instance: id }),
  to: fc.array(
    id.map((one): Envelope["to"][number] => `agent:${one}`),
    { maxLength: 2 },
  ),
  createdMs: fc.nat(),
  priority: fc.constant("normal"),
});

test("messages among a few agents arrive as they were sent, in whatever order", () => {
  const arrive = fc.property(fc.array(envelope, { maxLength: 40 }), (sent) => {
    for (const one of sent) {
      expect(decodeMessage(encodeMessage(one, payload)).envelope).toEqual(one);
    }
  });
  void fc.assert(arrive, { numRuns: 300 });
});

test("an addressing that is cut off is refused, however well its beginning is known", () => {
  const one: Envelope = {
    id: "1",
    version: "1.0.0",
    kind: "request",
    name: "ask",
    from: { agent: "a", type: "t", instance: "i" },
    to: ["agent:b"],
    createdMs: 1,
    priority: "normal",
  };
  const frame = encodeMessage(one, { ...payload, bytes: new Uint8Array(0) });
  decodeMessage(frame);
  for (let length = 0; length < frame.length - 12; length++) {
    const cut = frame.slice(0, 12 + length);
    new DataView(cut.buffer).setUint32(4, length);
    expect(() => decodeMessage(cut)).toThrow(expect.objectContaining({ code: "INVALID_MESSAGE" }));
  }
});

test("what was handed out for one message cannot be changed for the next", () => {
  const sender = { agent: "a", type: "t", instance: "i" };
  const one = { id: "1", version: "1.0.0", kind: "event", name: "n", from: sender } as const;
  const sent: Envelope = { ...one, to: ["agent:b"], createdMs: 1, priority: "low" };
  const frame = encodeMessage(sent, payload);
  const { envelope: first } = decodeMessage(frame);
  expect(Object.isFrozen(first.from)).toBe(true);
  expect(Object.isFrozen(first.to)).toBe(true);
  sender.agent = "other";
  expect(decodeMessage(encodeMessage(sent, payload)).envelope.from.agent).toBe("other");
});

test("recurring texts are read like any others", () => {
  const text = fc.oneof(
    fc.constantFrom("", "a", "orders.placed", "orders.booked", "é", "\u0000", "x".repeat(65)),
    fc.string({ maxLength: 70, unit: "grapheme" }),
  );
  const arrive = fc.property(fc.array(text, { maxLength: 50 }), (texts) => {
    const writer = new ByteWriter();
    for (const one of texts) writer.text16(one);
    const bytes = writer.take();
    const plain = new ByteReader(bytes);
    const recurring = new ByteReader(bytes);
    for (const one of texts) {
      expect(plain.text16("text")).toBe(one);
      expect(recurring.recurringText16("text")).toBe(one);
    }
    expect(recurring.left).toBe(0);
    expect(() => recurring.recurringText8("text")).toThrow();
  });
  void fc.assert(arrive, { numRuns: 300 });
});
