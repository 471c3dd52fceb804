/** Headers put together by hand, each with the one thing wrong that an honest encoder never writes. */
import { describe, expect, test } from "vitest";
import { ByteWriter } from "../../src/message/byte-writer.ts";
import { decodeMessage } from "../../src/message/envelope-codec.ts";

type Part = (writer: ByteWriter) => void;

const text =
  (...values: readonly (string | Uint8Array)[]): Part =>
  (writer) => {
    for (const value of values) {
      const bytes = Buffer.from(value as string);
      writer.uint8(bytes.length);
      writer.bytes(bytes);
    }
  };

const numbers =
  (...values: readonly number[]): Part =>
  (writer) => {
    for (const value of values) writer.uint53(value);
  };

const list =
  (count: number, ...parts: readonly Part[]): Part =>
  (writer) => {
    writer.uint8(count);
    for (const part of parts) part(writer);
  };

const pair =
  (name: string, value: string | Uint8Array): Part =>
  (writer) => {
    const bytes = Buffer.from(value as string);
    writer.text8(name);
    writer.uint16(bytes.length);
    writer.bytes(bytes);
  };

const bytes =
  (...values: readonly number[]): Part =>
  (writer) =>
    writer.bytes(Uint8Array.from(values));

interface Header {
  /** Version, kind, priority, codec, compression, reserved. */
  readonly fixed?: readonly number[];
  readonly present?: number;
  readonly createdMs?: Part;
  readonly authentication?: Part;
  readonly identity?: Part;
  readonly to?: Part;
  readonly fields?: Part;
}

const oneRecipient: Part = (writer) => {
  writer.uint16(1);
  writer.text8("agent:a");
};

function frame(header: Header): Uint8Array {
  const writer = new ByteWriter();
  writer.bytes(Uint8Array.from(header.fixed ?? [1, 0, 0, 1, 2, 1, 0, 0]));
  writer.uint32(header.present ?? 0);
  (header.createdMs ?? numbers(0))(writer);
  (header.authentication ?? bytes(0, 0))(writer);
  (header.identity ?? text("m1", "risk.assess", "a", "b", "c"))(writer);
  (header.to ?? oneRecipient)(writer);
  header.fields?.(writer);
  const fields = writer.take();
  writer.uint32(0x01010000);
  writer.uint32(fields.length);
  writer.uint32(0);
  writer.bytes(fields);
  return writer.take();
}

const recipients =
  (count: number, ...addresses: readonly string[]): Part =>
  (writer) => {
    writer.uint16(count);
    for (const address of addresses) writer.text8(address);
  };

const long = (length: number) => "a".repeat(length);
const replyTo = 0x80;
const key = 0x1000;
const path = 0x4000;
const headers = 0x8000;
const ids = { correlationId: 0x100, conversationId: 0x200, workflowId: 0x400, causationId: 0x800 };
const amounts = ["ttlMs", "deadlineMs", "timeoutMs", "sequence", "credit", "hops", "budget"];

const accepted: readonly (readonly [name: string, header: Header])[] = [
  ["nothing optional", {}],
  ["no recipients", { to: recipients(0) }],
  ["1,024 recipients", { to: recipients(1_024, ...Array(1_024).fill("all:b")) }],
  ["the longest address", { to: recipients(1, `skill:${long(128)}`) }],
  ["the longest texts", { identity: text(long(128), long(255), long(128), long(128), long(128)) }],
  ["32 tokens", { present: replyTo, fields: text(Array(32).fill("_a").join(".")) }],
  ["64 handlers of a path", { present: path, fields: list(64, text(...Array(128).fill("a"))) }],
  ["16 KiB of headers", { present: headers, fields: list(1, pair("a", long(16_383))) }],
  ["a reserved byte in use", { fixed: [1, 0, 0, 9, 3, 4, 2, 255] }],
];

for (const [name, header] of accepted) {
  test(`a header with ${name} is read`, () => {
    expect(decodeMessage(frame(header)).envelope.version).toBe("1.0.0");
  });
}

const refused: readonly (readonly [field: string, what: string, header: Header, code?: string])[] =
  [
    ["version", "1.0.1", { fixed: [1, 0, 1, 1, 2, 1, 0, 0] }, "INVALID_VERSION"],
    ["version", "1.1.0", { fixed: [1, 1, 0, 1, 2, 1, 0, 0] }, "INVALID_VERSION"],
    ["version", "2.0.0", { fixed: [2, 0, 0, 1, 2, 1, 0, 0] }, "INVALID_VERSION"],
    ["kind", "0", { fixed: [1, 0, 0, 0, 2, 1, 0, 0] }],
    ["kind", "10", { fixed: [1, 0, 0, 10, 2, 1, 0, 0] }],
    ["kind", "17", { fixed: [1, 0, 0, 17, 2, 1, 0, 0] }],
    ["priority", "4", { fixed: [1, 0, 0, 1, 4, 1, 0, 0] }],
    ["codec", "5", { fixed: [1, 0, 0, 1, 2, 5, 0, 0] }],
    ["compression", "3", { fixed: [1, 0, 0, 1, 2, 1, 3, 0] }],
    ["createdMs", "2^53", { createdMs: bytes(0, 0x20, 0, 0, 0, 0, 0, 0) }],
    ["authentication", "more than there is", { authentication: bytes(1, 0) }],
    ["id", "nothing", { identity: text("", "n", "a", "b", "c") }],
    ["id", "129 characters", { identity: text(long(129), "n", "a", "b", "c") }],
    ["id", "a byte above ASCII", { identity: text(Uint8Array.of(0xe9), "n", "a", "b", "c") }],
    ["name", "nothing", { identity: text("m", "", "a", "b", "c") }],
    ["name", "a line break", { identity: text("m", "a\nb", "a", "b", "c") }],
    ["name", "a control character above ASCII", { identity: text("m", "\u0085", "a", "b", "c") }],
    ["name", "no UTF-8", { identity: text("m", Uint8Array.of(0xc0, 0x80), "a", "b", "c") }],
    ["from.agent", "a blank", { identity: text("m", "n", " ", "b", "c") }],
    ["from.type", "nothing", { identity: text("m", "n", "a", "", "c") }],
    ["from.instance", "a line break", { identity: text("m", "n", "a", "b", "\r") }],
    ["to", "1,025 recipients", { to: recipients(1_025, ...Array(1_025).fill("all:b")) }],
    ["to", "fewer recipients than announced", { to: recipients(2, "all:b") }],
    ["to", "an unknown kind", { to: recipients(1, "topic:a") }],
    ["to", "no id", { to: recipients(1, "agent:") }],
    ["to", "an id of 129 characters", { to: recipients(1, `all:${long(129)}`) }],
    ["replyTo", "33 tokens", { present: replyTo, fields: text(Array(33).fill("a").join(".")) }],
    ["replyTo", "an empty token", { present: replyTo, fields: text("a..b") }],
    ["replyTo", "a last dot", { present: replyTo, fields: text("a.") }],
    ["replyTo", "a wildcard", { present: replyTo, fields: text("a.*") }],
    ["replyTo", "nothing", { present: replyTo, fields: text("") }],
    ["key", "a control character", { present: key, fields: text("\u0000") }],
    ["trace", "nothing", { present: 0x2000, fields: text("") }],
    ["path", "65 handlers", { present: path, fields: list(65, text(...Array(130).fill("a"))) }],
    ["path.agent", "a blank", { present: path, fields: list(1, text("a b", "n")) }],
    ["path.name", "nothing", { present: path, fields: list(1, text("a", "")) }],
    [
      "headers",
      "65 pairs",
      { present: headers, fields: list(65, ...Array(65).fill(pair("a", ""))) },
    ],
    ["headers", "a blank in a name", { present: headers, fields: list(1, pair("a b", "")) }],
    ["headers", "__proto__", { present: headers, fields: list(1, pair("__proto__", "")) }],
    [
      "headers.a",
      "a name twice",
      { present: headers, fields: list(2, pair("a", "1"), pair("a", "2")) },
    ],
    ["headers.a", "a line break", { present: headers, fields: list(1, pair("a", "1\r\nb: 2")) }],
    [
      "headers.a",
      "no UTF-8",
      { present: headers, fields: list(1, pair("a", Uint8Array.of(0xff))) },
    ],
    [
      "headers",
      "more than 16 KiB",
      { present: headers, fields: list(1, pair("a", long(16_384))) },
      "MESSAGE_TOO_LARGE",
    ],
    ...Object.entries(ids).map(
      ([field, bit]) => [field, "a blank", { present: bit, fields: text("a b") }] as const,
    ),
    ...amounts.map(
      (field, bit) =>
        [field, "2^53", { present: 1 << bit, fields: bytes(0, 32, 0, 0, 0, 0, 0, 0) }] as const,
    ),
  ];

describe("a header is refused, naming the field, where it has", () => {
  for (const [field, what, header, code = "INVALID_MESSAGE"] of refused) {
    test(`${field}: ${what}`, () => {
      expect(() => decodeMessage(frame(header))).toThrow(
        expect.objectContaining({
          code,
          details: expect.objectContaining({ field, limit: expect.anything() }),
        }),
      );
    });
  }
});
