import { expect, test } from "vitest";
import { nearest } from "../../src/message/nearest.ts";

const names = ["timeoutMs", "deadlineMs", "retry", "key", "to", "ttlMs"];

test.each([
  ["timeoutMS", "timeoutMs"],
  ["timeout", "timeoutMs"],
  ["tiemoutMs", "timeoutMs"],
  ["deadline", "deadlineMs"],
  ["timeoutMsMax", "timeoutMs"],
  ["rtery", "retry"],
  ["keys", "key"],
  ["ket", "key"],
  ["kye", "key"],
  ["ot", undefined],
  ["tllMs", "ttlMs"],
  ["dedlineMs", "deadlineMs"],
  ["priority", undefined],
  ["", undefined],
  ["x", undefined],
  ["t".repeat(100_000), undefined],
])("who writes %.20s means %s", (given, meant) => {
  expect(nearest(given, names)).toBe(meant);
});

test("with no names there is none that is near", () => {
  expect(nearest("key", [])).toBeUndefined();
});
