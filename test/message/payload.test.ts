import { describe, expect, test } from "vitest";
import { compressPayload } from "../../src/message/compression.ts";
import type { EncodedPayload, PayloadCodec } from "../../src/message/message.ts";
import { decodePayload, encodePayload } from "../../src/message/payload.ts";
import { payloadArbitrary } from "../support/message-arbitraries.ts";
import { fc } from "../support/properties.ts";

function payload(codec: PayloadCodec, bytes: Uint8Array | string): EncodedPayload {
  return { codec, compression: 0, bytes: new Uint8Array(Buffer.from(bytes as string)) };
}

/** The codec for JSON with byte arrays, put together by hand. */
function jsonAndBytes(value: string, places: string, bytes: readonly number[]): EncodedPayload {
  const parts = [value, places].flatMap((json) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(json));
    return [length, Buffer.from(json)];
  });
  return payload(3, Buffer.concat([...parts, Uint8Array.from(bytes)]));
}

test("any payload is the same after a journey, compressed or not", () => {
  fc.assert(
    fc.property(
      payloadArbitrary,
      fc.constantFrom("none" as const, "gzip" as const, "zstd" as const),
      (value, algorithm) => {
        const encoded = compressPayload(encodePayload(value), { algorithm, bytesMin: 0 });
        expect(decodePayload(encoded)).toStrictEqual(value);
      },
    ),
    { numRuns: 500 },
  );
});

test("the codec is the simplest that can carry the payload", () => {
  expect(encodePayload(undefined)).toEqual(payload(0, ""));
  expect(encodePayload({ a: [1, "é"] })).toEqual(payload(1, '{"a":[1,"é"]}'));
  expect(encodePayload(null)).toEqual(payload(1, "null"));
  expect(encodePayload(Uint8Array.of(1, 2))).toEqual(payload(2, Uint8Array.of(1, 2)));
  expect(
    encodePayload({ a: [Uint8Array.of(7), { b: Uint8Array.of(8, 9) }], c: undefined }),
  ).toEqual(jsonAndBytes('{"a":[null,{"b":null}]}', '[[["a",0],1],[["a",1,"b"],2]]', [7, 8, 9]));
});

test("absent properties are absent, -0 is 0, a lone surrogate stays", () => {
  const arrived = decodePayload(encodePayload({ a: undefined, b: -0, c: "\ud800" }));
  expect(arrived).toStrictEqual({ b: 0, c: "\ud800" });
});

test("a long text takes the same way as a short one", () => {
  const value = { text: "漢".repeat(5_000), more: "x".repeat(50_000) };
  expect(decodePayload(encodePayload(value))).toEqual(value);
});

test("payloads encoded one after the other do not touch each other", () => {
  const encoded = Array.from({ length: 500 }, (_, index) => encodePayload({ index, pad: "é" }));
  for (const [index, each] of encoded.entries()) {
    expect(decodePayload(each)).toEqual({ index, pad: "é" });
  }
});

test("what arrives shares no memory with what lies beside it", () => {
  const chunk = Uint8Array.of(1, 2, 3, 4);
  const arrived = decodePayload({ codec: 2, compression: 0, bytes: chunk.subarray(1, 3) });
  expect((arrived as Uint8Array).buffer.byteLength).toBe(2);
  const inside = decodePayload(encodePayload([Uint8Array.of(5)])) as [Uint8Array];
  expect(inside[0].buffer.byteLength).toBe(1);
});

test("a byte array may lie as deep as anything else", () => {
  let value: unknown = Uint8Array.of(1);
  for (let depth = 0; depth < 64; depth++) value = [value];
  expect(decodePayload(encodePayload(value))).toEqual(value);
});

test("a payload above the limit is refused", () => {
  const tooLarge = expect.objectContaining({
    code: "MESSAGE_TOO_LARGE",
    details: expect.objectContaining({ field: "payload", limit: 10 }),
  });
  expect(() => encodePayload("12345678", 10)).not.toThrow();
  for (const value of ["123456789", "漢漢漢", new Uint8Array(11), [new Uint8Array(1)]]) {
    expect(() => encodePayload(value, 10)).toThrow(tooLarge);
  }
  expect(() => encodePayload(Array(1_025).fill(new Uint8Array(0)))).toThrow(
    expect.objectContaining({
      code: "MESSAGE_TOO_LARGE",
      details: { field: "payload", limit: 1_024, unit: "byte arrays", size: 1_025 },
    }),
  );
});

test("what is not plain data is not sent", () => {
  expect(() => encodePayload({ at: new Date(0) })).toThrow(
    expect.objectContaining({
      code: "SERIALIZATION_ERROR",
      details: expect.objectContaining({ path: "at" }),
    }),
  );
});

const damaged: readonly (readonly [name: string, payload: EncodedPayload])[] = [
  ["bytes where there is no payload", payload(0, "x")],
  ["half a JSON text", payload(1, '{"a":')],
  ["no JSON text at all", payload(1, "")],
  ["bytes that are not UTF-8", payload(1, Uint8Array.of(0x22, 0xff, 0x22))],
  ["less than a length", payload(3, Uint8Array.of(0, 0, 0))],
  ["a JSON text longer than the payload", payload(3, Uint8Array.of(0, 0, 0, 9, 0x5b, 0x5d))],
  ["no places", payload(3, Buffer.concat([Buffer.from([0, 0, 0, 1]), Buffer.from("1")]))],
  ["places that are no array", jsonAndBytes("1", "{}", [])],
  ["a place that is no pair", jsonAndBytes("[null]", "[[[0]]]", [])],
  ["a byte array that is missing", jsonAndBytes('{"a":null}', '[[["a"],2]]', [1])],
  ["bytes left over", jsonAndBytes('{"a":null}', '[[["a"],2]]', [1, 2, 3])],
  ["a place that is not null", jsonAndBytes('{"a":0}', '[[["a"],1]]', [1])],
  ["a place that is not there", jsonAndBytes('{"a":null}', '[[["b"],1]]', [1])],
  ["a place in a prototype", jsonAndBytes("{}", '[[["__proto__"],1]]', [1])],
  [
    "a place in the prototype of a prototype",
    jsonAndBytes("{}", '[[["__proto__","__proto__"],1]]', [1]),
  ],
  ["a place inside a byte array", jsonAndBytes("[null]", "[[[0],1],[[0,0],0]]", [1])],
  ["the same place twice", jsonAndBytes("[null]", "[[[0],1],[[0],1]]", [1, 2])],
  ["the length of an array", jsonAndBytes("[null]", '[[["length"],1]]', [1])],
  ["an index that is a text", jsonAndBytes("[null]", '[[["0"],1]]', [1])],
  ["an empty path", jsonAndBytes("null", "[[[],1]]", [1])],
  ["a negative length", jsonAndBytes("[null]", "[[[0],-1]]", [])],
  [
    "more byte arrays than allowed",
    jsonAndBytes(JSON.stringify(Array(1_025).fill(null)), manyPlaces(), []),
  ],
  ["a batch", payload(4, "")],
];

function manyPlaces(): string {
  return JSON.stringify(Array.from({ length: 1_025 }, (_, index) => [[index], 0]));
}

describe("a damaged payload is refused: it has", () => {
  for (const [name, each] of damaged) {
    test(name, () => {
      expect(() => decodePayload(each)).toThrow(
        expect.objectContaining({
          code: "INVALID_MESSAGE",
          details: { field: expect.stringMatching(/payload|codec/), limit: expect.any(String) },
        }),
      );
    });
  }
});

test("data that no sender may send is refused on arrival too", () => {
  const texts = [
    '{"a":{"__proto__":{}}}',
    '{"\\u005f_proto__":1}',
    "[1e999]",
    "[".repeat(65) + "]".repeat(65),
  ];
  for (const text of texts) {
    for (const each of [payload(1, text), jsonAndBytes(text, "[]", [])]) {
      expect(() => decodePayload(each)).toThrow(
        expect.objectContaining({ code: "SERIALIZATION_ERROR" }),
      );
    }
  }
  expect(({} as { readonly admin?: unknown }).admin).toBeUndefined();
});
