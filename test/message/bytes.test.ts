import { expect, test } from "vitest";
import { ByteReader } from "../../src/message/byte-reader.ts";
import { ByteWriter } from "../../src/message/byte-writer.ts";
import { idClass } from "../../src/message/characters.ts";
import { decodeUtf8, encodeUtf8, utf8Length } from "../../src/message/text.ts";
import { fc } from "../support/properties.ts";

/** One kind of value: how it is written, and how it is read. */
interface Written {
  readonly write: (writer: ByteWriter) => void;
  readonly read: (reader: ByteReader) => unknown;
  readonly value: unknown;
}

const wellFormed = (maxLength: number) =>
  fc.string({ unit: "binary", maxLength }).map((text) => text.toWellFormed());

const written: fc.Arbitrary<Written> = fc.oneof(
  fc.nat(255).map(
    (value): Written => ({
      value,
      write: (writer) => writer.uint8(value),
      read: (reader) => reader.uint8("a"),
    }),
  ),
  fc.nat(65_535).map(
    (value): Written => ({
      value,
      write: (writer) => writer.uint16(value),
      read: (reader) => reader.uint16("a"),
    }),
  ),
  fc.nat(2 ** 32 - 1).map(
    (value): Written => ({
      value,
      write: (writer) => writer.uint32(value),
      read: (reader) => reader.uint32("a"),
    }),
  ),
  fc.maxSafeNat().map(
    (value): Written => ({
      value,
      write: (writer) => writer.uint53(value),
      read: (reader) => reader.uint53("a"),
    }),
  ),
  fc.double().map(
    (value): Written => ({
      value,
      write: (writer) => writer.float64(value),
      read: (reader) => reader.float64("a"),
    }),
  ),
  wellFormed(80)
    .filter((text) => encodeUtf8(text).length <= 255)
    .map(
      (value): Written => ({
        value,
        write: (writer) => expect(writer.text8(value)).toBe(encodeUtf8(value).length),
        read: (reader) => reader.text8("a"),
      }),
    ),
  wellFormed(3_000).map(
    (value): Written => ({
      value,
      write: (writer) => expect(writer.text16(value)).toBe(encodeUtf8(value).length),
      read: (reader) => reader.text16("a"),
    }),
  ),
  wellFormed(20_000).map(
    (value): Written => ({
      value,
      write: (writer) => expect(writer.text(value)).toBe(encodeUtf8(value).length),
      read: (reader) => reader.text("a", encodeUtf8(value).length),
    }),
  ),
  fc.uint8Array({ maxLength: 40_000 }).map(
    (value): Written => ({
      value,
      write: (writer) => writer.bytes(value),
      read: (reader) => new Uint8Array(reader.bytes("a", value.length)),
    }),
  ),
);

test("what is written is read again, however the chunk grew", () => {
  fc.assert(
    fc.property(fc.array(fc.array(written, { maxLength: 12 }), { maxLength: 4 }), (chunks) => {
      const writer = new ByteWriter();
      const taken = chunks.map((values) => {
        for (const each of values) each.write(writer);
        return writer.take();
      });
      for (const [index, values] of chunks.entries()) {
        const reader = new ByteReader(taken[index] as Uint8Array);
        for (const each of values) expect(each.read(reader)).toEqual(each.value);
        expect(reader.left).toBe(0);
      }
    }),
  );
});

test("what was taken is never written again", () => {
  const writer = new ByteWriter();
  writer.uint32(1);
  const first = writer.take();
  writer.uint32(2);
  writer.patchUint32(0, 3);
  expect([...first]).toEqual([0, 0, 0, 1]);
  expect([...writer.take()]).toEqual([0, 0, 0, 3]);
  expect(writer.length).toBe(0);
});

test("a number written as eight bytes is big-endian", () => {
  const writer = new ByteWriter();
  writer.uint53(Number.MAX_SAFE_INTEGER);
  writer.float64(-2);
  const expected = new DataView(new ArrayBuffer(16));
  expected.setBigUint64(0, BigInt(Number.MAX_SAFE_INTEGER));
  expected.setFloat64(8, -2);
  expect(writer.take()).toEqual(new Uint8Array(expected.buffer));
});

test("text outside its class writes nothing, also when the chunk has to grow for it", () => {
  for (let filled = 32_768 - 40; filled <= 32_768; filled++) {
    const writer = new ByteWriter();
    writer.bytes(new Uint8Array(1_000));
    writer.take();
    writer.bytes(new Uint8Array(filled - 1_000).fill(7));
    expect(writer.textOfClass8("agent-1 is not an id", idClass)).toBe(false);
    expect(writer.textOfClass8("agent-1", idClass)).toBe(true);
    const bytes = writer.take();
    expect(bytes.length).toBe(filled - 1_000 + 8);
    expect(new ByteReader(bytes, filled - 1_000).text8("agent")).toBe("agent-1");
  }
  expect(new ByteWriter().textOfClass8("a".repeat(256), idClass)).toBe(false);
});

test("truncating takes back what was written last", () => {
  const writer = new ByteWriter();
  writer.uint8(1);
  const before = writer.length;
  writer.bytes(new Uint8Array(100_000));
  writer.truncate(before);
  writer.uint8(2);
  expect([...writer.take()]).toEqual([1, 2]);
});

test("reading on where nothing is left names the field and what it needs", () => {
  const reader = new ByteReader(Uint8Array.of(9, 3, 65), 1);
  expect(() => reader.uint32("lease")).toThrow(
    expect.objectContaining({
      code: "INVALID_MESSAGE",
      details: { field: "lease", limit: "4 bytes, found 2" },
    }),
  );
  expect(() => reader.text8("queue")).toThrow(
    expect.objectContaining({ details: { field: "queue", limit: "3 bytes, found 1" } }),
  );
});

test("bytes that are not UTF-8 are refused, not replaced", () => {
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
    expect(() => new ByteReader(Uint8Array.from(bytes)).text("key", bytes.length)).toThrow(
      expect.objectContaining({ details: { field: "key", limit: "valid UTF-8" } }),
    );
  }
});

test("any bytes are read as the text they encode in UTF-8, or refused as none", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.string({ unit: "binary", maxLength: 4 }).map(encodeUtf8),
    fc.constant(encodeUtf8("\ufffd")),
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), (pieces) => {
      const bytes = Uint8Array.from(pieces.flatMap((it) => [...it]));
      const read = () => decodeUtf8("key", bytes, 0, bytes.length);
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      // Only what is valid comes out of a second encoding as it was.
      if (Buffer.from(text).equals(bytes)) expect(read()).toBe(text);
      else expect(read).toThrow(expect.objectContaining({ code: "INVALID_MESSAGE" }));
    }),
    { numRuns: 5_000 },
  );
});

test("a byte order mark is a character like any other", () => {
  const writer = new ByteWriter();
  writer.text8("\ufeffa");
  expect(new ByteReader(writer.take()).text8("name")).toBe("\ufeffa");
});

test("a number above 2^53 - 1 is refused", () => {
  const bytes = Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0);
  expect(() => new ByteReader(bytes).uint53("fence")).toThrow(
    expect.objectContaining({ code: "INVALID_MESSAGE" }),
  );
});

test("the length of text as UTF-8 is known without encoding it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), (one, other) => {
      for (const text of [one, other, one + other, "\ud83d", "\ude00\ud83d", "a\ud83d"]) {
        expect(utf8Length(text)).toBe(encodeUtf8(text).length);
      }
    }),
  );
});
