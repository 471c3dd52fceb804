import { expect, test } from "vitest";
import {
  assertPattern,
  assertTopic,
  isExact,
  isPattern,
  isTopic,
} from "../../src/message/topic.ts";
import { topicArbitrary } from "../support/message-arbitraries.ts";
import { fc } from "../support/properties.ts";

const token = "[A-Za-z0-9_\\-/:@]+";
const topicShape = new RegExp(`^${token}(\\.${token})*$`);
const patternShape = new RegExp(`^(((${token}|\\*)(\\.(${token}|\\*))*(\\.>)?)|>)$`);

test("topics and patterns follow their grammar", () => {
  const text = fc.oneof(
    topicArbitrary,
    fc.string({ unit: fc.constantFrom("a", "_", ".", "*", ">", " ", "é"), maxLength: 8 }),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      expect(isTopic(candidate, "internal")).toBe(topicShape.test(candidate));
      expect(isPattern(candidate, "internal")).toBe(patternShape.test(candidate));
    }),
    { numRuns: 2_000 },
  );
});

test("users have no tokens that begin with an underscore", () => {
  for (const text of ["_inbox.a", "a._b", "_"]) {
    expect(isTopic(text)).toBe(false);
    expect(isPattern(text)).toBe(false);
    expect(isTopic(text, "internal")).toBe(true);
    expect(isPattern(text, "internal")).toBe(true);
    expect(() => assertTopic(text)).toThrow(
      expect.objectContaining({
        code: "INVALID_ADDRESS",
        details: expect.objectContaining({ limit: expect.stringContaining("internal") }),
      }),
    );
  }
  expect(isTopic("a_b.c_")).toBe(true);
});

test("every topic is a pattern, and exact", () => {
  fc.assert(
    fc.property(topicArbitrary, (topic) => {
      expect(isPattern(topic, "internal")).toBe(true);
      expect(isExact(topic)).toBe(true);
    }),
  );
  expect(isExact("a.*")).toBe(false);
  expect(isExact("a.>")).toBe(false);
});

test("a topic has 255 characters and 32 tokens at most", () => {
  expect(isTopic("a".repeat(255))).toBe(true);
  expect(isTopic("a".repeat(256))).toBe(false);
  expect(isTopic(Array(32).fill("a").join("."))).toBe(true);
  expect(isTopic(Array(33).fill("a").join("."))).toBe(false);
});

const refused = {
  "": "1 to 255 characters",
  "a..b": "tokens of one character or more",
  ".a": "tokens of one character or more",
  "a.": "tokens of one character or more",
  "a b": "tokens of ASCII letters",
  "a*": "a token of their own",
  "*a": "a token of their own",
  "a.>.b": "> as its last token only",
};

for (const [pattern, limit] of Object.entries(refused)) {
  test(`the pattern ${JSON.stringify(pattern)} is refused with value and limit`, () => {
    expect(() => assertPattern(pattern)).toThrow(
      expect.objectContaining({
        code: "INVALID_ADDRESS",
        details: { field: "pattern", value: pattern, limit: expect.stringContaining(limit) },
      }),
    );
  });
}

test("a pattern with wildcards is no topic", () => {
  expect(() => assertTopic("a.*")).toThrow(
    expect.objectContaining({ details: expect.objectContaining({ field: "topic", value: "a.*" }) }),
  );
  expect(() => assertTopic(undefined)).toThrow(
    expect.objectContaining({ code: "INVALID_ADDRESS" }),
  );
});
