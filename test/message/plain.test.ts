import { describe, expect, test } from "vitest";
import { assertPlain } from "../../src/message/plain.ts";
import { copyPlain } from "../../src/message/plain-copy.ts";
import { payloadArbitrary } from "../support/message-arbitraries.ts";
import { fc } from "../support/properties.ts";

class Order {
  readonly price = 3;
}

class Prices extends Array<number> {}

function nested(depth: number, innermost: unknown): unknown {
  let value = innermost;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const cycle: { self?: unknown; list: unknown[] } = { list: [] };
cycle.list.push({ back: cycle });

const refused: readonly (readonly [path: string, problem: string, value: unknown])[] = [
  ["", "is a function", () => 1],
  ["", "is a symbol", Symbol("a")],
  ["", "is a bigint", 1n],
  ["", "is NaN", Number.NaN],
  ["", "is an instance of Date", new Date(0)],
  ["", "is an instance of Order", new Order()],
  ["", "is an instance of an unnamed class", Object.create(Object.create(null))],
  ["", "is an instance of Array", Object.create(Array.prototype)],
  ["", "is an instance of a subclass of Array", Prices.of(1)],
  ["", "is an instance of ArrayBuffer", new ArrayBuffer(1)],
  ["", "is an instance of Float64Array", new Float64Array(1)],
  ["orders[3].price", "is NaN", { orders: [{}, {}, {}, { price: Number.NaN }] }],
  ["a.b", "is Infinity", { a: { b: Number.POSITIVE_INFINITY } }],
  ["a", "is -Infinity", { a: Number.NEGATIVE_INFINITY }],
  ["[1]", "is undefined, which an array cannot hold", [1, undefined]],
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is looked for.
  ["[1]", "is undefined, which an array cannot hold", [1, , 3]],
  ['["a b"][0]', "is an instance of Map", { "a b": [new Map()] }],
  ["grün.set", "is an instance of Set", { grün: { set: new Set() } }],
  ["a", "is a function", { a: expect }],
  ["a", "is a bigint", { a: 1n }],
  ["[0]", "is a symbol", [Symbol.iterator]],
  ["list[0].back", "is a cycle", cycle],
  ["__proto__", "has a key that is not allowed", JSON.parse('{"__proto__":{"admin":true}}')],
  ["a.__proto__", "has a key that is not allowed", JSON.parse('{"a":{"__proto__":1}}')],
];

describe("what is not plain data is refused with its path", () => {
  for (const [path, problem, value] of refused) {
    test(`${path === "" ? "the payload" : path} ${problem}`, () => {
      const error = expect.objectContaining({
        code: "SERIALIZATION_ERROR",
        details: { path, problem },
      });
      expect(() => assertPlain(value)).toThrow(error);
      expect(() => copyPlain(value)).toThrow(error);
    });
  }
});

test("everything that JSON can carry is plain, and so are byte arrays anywhere", () => {
  fc.assert(
    fc.property(payloadArbitrary, (value) => {
      assertPlain(value);
      expect(copyPlain(value)).toEqual(value);
    }),
  );
});

test("the walk tells whether byte arrays lie inside", () => {
  expect(assertPlain({ a: [{ b: new Uint8Array(1) }] })).toBe(true);
  expect(assertPlain([Buffer.from("a")])).toBe(true);
  expect(assertPlain({ a: [{ b: [1] }], c: "d" })).toBe(false);
  expect(assertPlain(new Uint8Array(1))).toBe(false);
  expect(assertPlain(undefined)).toBe(false);
});

test("absent properties, -0, lone surrogates and objects without a prototype are plain", () => {
  assertPlain({ a: undefined, b: -0, c: "\ud800", "\udfff": 1 });
  assertPlain(Object.assign(Object.create(null), { a: 1 }));
});

test("nesting ends at 64", () => {
  assertPlain(nested(64, 1));
  expect(() => assertPlain(nested(65, 1))).toThrow(
    expect.objectContaining({
      code: "SERIALIZATION_ERROR",
      details: expect.objectContaining({ problem: "is nested deeper than 64" }),
    }),
  );
  assertPlain(nested(64, new Uint8Array(1)));
});

test("more values than a payload may hold are refused, also where few objects are reached often", () => {
  const tooLarge = expect.objectContaining({
    code: "MESSAGE_TOO_LARGE",
    details: { field: "payload", limit: 1_048_576, unit: "values" },
  });
  assertPlain(new Array(2 ** 20).fill(0));
  expect(() => assertPlain(new Array(2 ** 20 + 1).fill(0))).toThrow(tooLarge);
  let shared: unknown = 1;
  for (let level = 0; level < 60; level++) shared = { left: shared, right: shared };
  expect(() => assertPlain(shared)).toThrow(tooLarge);
});

test("a copy shares nothing with its original", () => {
  const original = { list: [{ a: 1 }], bytes: Buffer.from("abc"), gone: undefined };
  const copy = copyPlain(original);
  original.list[0] = { a: 2 };
  original.bytes[0] = 0;
  expect(copy).toStrictEqual({ list: [{ a: 1 }], bytes: Uint8Array.of(97, 98, 99) });
  expect(Object.getPrototypeOf(copyPlain(Object.create(null)))).toBe(Object.prototype);
});
