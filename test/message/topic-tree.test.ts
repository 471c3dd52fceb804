import { expect, test } from "vitest";
import { TopicTree } from "../../src/message/topic-tree.ts";
import { fc } from "../support/properties.ts";

/** The meaning of a pattern, as plainly as it can be said. */
function matches(pattern: readonly string[], topic: readonly string[]): boolean {
  const [wanted, ...wantedRest] = pattern;
  const [token, ...rest] = topic;
  if (wanted === undefined || token === undefined) return wanted === token;
  if (wanted === ">") return topic.every((each) => !each.startsWith("_"));
  if (wanted === "*" ? token.startsWith("_") : wanted !== token) return false;
  return matches(wantedRest, rest);
}

const token = fc.constantFrom("a", "b", "_c");
const topic = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join("."));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 4 }), fc.boolean())
  .filter(([tokens, rest]) => tokens.length > 0 || rest)
  .map(([tokens, rest]) => [...tokens, ...(rest ? [">"] : [])].join("."));

const step = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), pattern }),
  fc.record({ kind: fc.constant("remove" as const), index: fc.nat() }),
  fc.record({ kind: fc.constant("match" as const), topic }),
);

test("the tree finds what a list of patterns tried one by one would find", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const tree = new TopicTree<number>();
      const list: { pattern: string; value: number; remove: () => void }[] = [];
      let value = 0;
      for (const taken of steps) {
        if (taken.kind === "add") {
          value++;
          const remove = tree.add(taken.pattern, value);
          list.push({ pattern: taken.pattern, value, remove });
        } else if (taken.kind === "remove") {
          const [removed] = list.splice(taken.index % (list.length + 1), 1);
          removed?.remove();
        } else {
          const topicTokens = taken.topic.split(".");
          const expected = list.filter((entry) => matches(entry.pattern.split("."), topicTokens));
          const found = [...tree.match(taken.topic)].sort((a, b) => a - b);
          expect(found).toEqual(expected.map((entry) => entry.value));
        }
        expect(tree.size).toBe(list.length);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("one value subscribed twice is found twice and removed once at a time", () => {
  const tree = new TopicTree<string>();
  const first = tree.add("a.b", "x");
  tree.add("a.b", "x");
  expect(tree.match("a.b")).toEqual(["x", "x"]);
  first();
  first();
  expect(tree.match("a.b")).toEqual(["x"]);
});

test("what was matched stays as it was while subscriptions change", () => {
  const tree = new TopicTree<number>();
  const remove = tree.add("a.*", 1);
  tree.add("a.b", 2);
  const matched = tree.match("a.b");
  remove();
  tree.add("a.b", 3);
  expect(matched).toEqual([2, 1]);
  expect(tree.match("a.b")).toEqual([2, 3]);
});

test("a change after many topics were remembered is seen by each of them", () => {
  const tree = new TopicTree<number>();
  tree.add("spread.>", 0);
  const topics = Array.from({ length: 100_000 }, (_, index) => `spread.t${index}`);
  const reached = (subscriptions: number) =>
    topics.filter((each) => tree.match(each).length === subscriptions).length;
  expect(reached(1)).toBe(100_000);
  // Remembered long ago, a while ago and just now.
  const some = ["spread.t7", "spread.t70000", "spread.t99999"];
  for (const each of some) {
    const remove = tree.add(each, 1);
    expect(tree.match(each)).toEqual([1, 0]);
    remove();
    expect(tree.match(each)).toEqual([0]);
  }
  tree.add("spread.*", 2);
  for (const each of [...some, "spread.t70001"]) expect(tree.match(each)).toEqual([0, 2]);
  expect(reached(2)).toBe(100_000);
});

test("100,000 subscriptions to one topic are all found, and found again after one left", () => {
  const tree = new TopicTree<number>();
  const removals = Array.from({ length: 100_000 }, (_, index) => tree.add("busy", index));
  tree.add("other.>", -1);
  expect(tree.match("busy")).toHaveLength(100_000);
  removals[500]?.();
  expect(tree.match("busy")).toHaveLength(99_999);
  for (const remove of removals) remove();
  expect(tree.match("busy")).toEqual([]);
  expect(tree.size).toBe(1);
});
