import { expect, test } from "vitest";
import { escapeGlob, Names } from "../../../src/broker/redis/names.ts";
import { TopicTree } from "../../../src/message/topic-tree.ts";
import { fc } from "../../support/properties.ts";

const token = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "ab", "_a") },
  fc.stringMatching(/^[A-Za-z0-9_/:@-]{1,4}$/),
);
const topic = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join("."));
const pattern = fc
  .tuple(
    fc.array(fc.oneof(token, fc.constant("*")), { minLength: 0, maxLength: 5 }),
    fc.boolean(),
    token,
  )
  .map(([tokens, rest, last]) => [...tokens, rest ? ">" : last].join("."));

/** As the server reads a glob. */
function globMatches(glob: string, text: string): boolean {
  const source = glob.replaceAll(/\\(.)|[\s\S]/g, (part, escaped?: string) => {
    if (escaped === undefined && part === "*") return "[^]*";
    return (escaped ?? part).replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  });
  return new RegExp(`^${source}$`).test(text);
}

function matches(pattern: string, topic: string): boolean {
  const tree = new TopicTree<true>();
  tree.add(pattern, true);
  return tree.match(topic).length > 0;
}

const names = new Names("my.app/v1");

test("a subscription catches every topic that its pattern matches, and hardly any other", () => {
  fc.assert(
    fc.property(pattern, topic, (pattern, topic) => {
      const { name, glob } = names.subscription(pattern);
      const channel = names.channel(topic);
      const caught = glob ? globMatches(name, channel) : name === channel;
      if (matches(pattern, topic)) expect(caught).toBe(true);
      // With tokens that are internal the tree sees to the rest.
      const exactly = !pattern.includes("_") && !/\*.*>/.test(pattern);
      if (exactly) expect(caught).toBe(matches(pattern, topic));
    }),
    { numRuns: 2_000 },
  );
});

test("a channel tells its topic, and no two topics have the same", () => {
  fc.assert(
    fc.property(topic, topic, (one, other) => {
      expect(names.topic(names.channel(one))).toBe(one);
      expect(names.channel(one) === names.channel(other)).toBe(one === other);
    }),
  );
});

test("everything lies under one hash tag", () => {
  expect(names.base).toBe("{my.app/v1}:");
  expect(names.key("s", "value")).toBe("{my.app/v1}:s:value");
  expect(names.channel("a.b")).toMatch(/^\{my\.app\/v1\}:t:/);
  expect(names.subscription("a.>").name).toMatch(/^\{my\.app\/v1\}:t:/);
});

test("an escaped text stands for itself alone", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, other) => {
      expect(globMatches(escapeGlob(text), text)).toBe(true);
      expect(globMatches(escapeGlob(text), other)).toBe(text === other);
    }),
  );
});
