import { expect, test } from "vitest";
import {
  assertAddress,
  assertId,
  isAddress,
  isId,
  parseAddress,
} from "../../src/message/address.ts";
import { addressArbitrary, idArbitrary } from "../support/message-arbitraries.ts";
import { fc } from "../support/properties.ts";

test("an address is its kind and what follows the first colon", () => {
  expect(parseAddress("agent:analyst-1")).toEqual({ kind: "agent", id: "analyst-1" });
  expect(parseAddress("skill:risk/assess:v2")).toEqual({ kind: "skill", id: "risk/assess:v2" });
});

test("every kind and id makes an address", () => {
  fc.assert(
    fc.property(fc.constantFrom("agent", "type", "skill", "all"), idArbitrary, (kind, id) => {
      expect(parseAddress(`${kind}:${id}`)).toEqual({ kind, id });
    }),
  );
});

test("what is an address is told apart from what is not", () => {
  fc.assert(
    fc.property(fc.oneof(addressArbitrary, fc.string()), (text) => {
      const expected = /^(agent|type|skill|all):[A-Za-z0-9._\-/:@]{1,128}$/.test(text);
      expect(isAddress(text)).toBe(expected);
    }),
  );
});

for (const address of ["", "agent", "agent:", "Agent:a", "topic:a", "agent:a b", "agent:ü", ":a"]) {
  test(`${JSON.stringify(address)} is refused with the value`, () => {
    expect(() => parseAddress(address)).toThrow(
      expect.objectContaining({ code: "INVALID_ADDRESS" }),
    );
    expect(() => assertAddress(address)).toThrow(
      expect.objectContaining({
        details: expect.objectContaining({ field: "to", value: address }),
      }),
    );
    expect(isAddress(address)).toBe(false);
  });
}

test("an address that is no string is refused with its type", () => {
  expect(() => assertAddress(42)).toThrow(
    expect.objectContaining({
      code: "INVALID_ADDRESS",
      message: expect.stringContaining("number"),
    }),
  );
});

test("an id has 128 characters at most", () => {
  expect(isId("a".repeat(128))).toBe(true);
  expect(isId("a".repeat(129))).toBe(false);
  expect(isAddress(`agent:${"a".repeat(128)}`)).toBe(true);
  expect(isAddress(`agent:${"a".repeat(129)}`)).toBe(false);
});

test("a refused id names what it is of, its value cut to what fits a line, and the limit", () => {
  expect(() => assertId("space", "x".repeat(10_000))).toThrow(
    expect.objectContaining({
      code: "INVALID_ADDRESS",
      details: {
        field: "space",
        value: `${"x".repeat(200)}…`,
        limit: expect.stringContaining("1 to 128 characters"),
      },
    }),
  );
});
