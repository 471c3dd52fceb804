import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonErrorPosition } from "../../../src/cli/shell/json-position.ts";

test.each([
  ["", 0],
  ["world", 0],
  ['{"a": 1,}', 8],
  ['{"a" 1}', 5],
  ["{a: 1}", 1],
  ["[1, 2", 5],
  ["[1 2]", 3],
  ["01", 1],
  ["1.", 1],
  ["nul", 0],
  ['"a', 2],
  ['"a\nb"', 2],
  ['"\\x"', 1],
  ["{} {}", 3],
])("%j is wrong at %i", (text, position) => {
  expect(() => JSON.parse(text) as unknown).toThrow();
  expect(jsonErrorPosition(text)).toBe(position);
});

test("what is JSON is wrong nowhere, and what was broken at its end is wrong behind it", () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom("", " ", "\n"), (text, blank) => {
      expect(jsonErrorPosition(text + blank)).toBe(text.length + blank.length);
      expect(jsonErrorPosition(`${text}${blank}}`)).toBe(text.length + blank.length);
    }),
  );
});
