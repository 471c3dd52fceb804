import { expect, test } from "vitest";
import { table } from "../../../src/cli/shell/table.ts";
import { harmless, millisecondsText, oneLine, valueText } from "../../../src/cli/shell/text.ts";

const columns = [
  { title: "NAME" },
  { title: "COUNT", align: "right" },
  { title: "WHAT", elastic: true },
] as const;

test("columns are aligned, numbers to the right", () => {
  expect(
    table(columns, [
      ["a", "1", "x"],
      ["longer", "1,000", ""],
    ]),
  ).toEqual(["NAME    COUNT  WHAT", "a           1  x", "longer  1,000"]);
});

test("an elastic column gives way to the width of the terminal, then everything does", () => {
  const row = ["a", "1", "x".repeat(100)];
  const [, narrow] = table(columns, [row], 40);
  expect(narrow).toBe(`a         1  ${"x".repeat(26)}…`);
  for (const line of table(columns, [row], 10)) expect([...line].length).toBeLessThanOrEqual(10);
});

test("no text that others sent steers the terminal", () => {
  expect(harmless("a\u001b[2Jb\r\u009b\u202ec\nd")).toBe("a\\u001b[2Jb\\u000d\\u009b\\u202ec\nd");
  expect(oneLine("a\nb\tc")).toBe("a b c");
  expect(table([{ title: "A" }], [["x\ny\u0007"]])).toEqual(["A", "x y\\u0007"]);
  expect(valueText({ a: Uint8Array.of(1), "\u009b": 1 })).toBe(
    '{"a":{"base64":"AQ=="},"\\u009b":1}',
  );
});

test("durations have as many digits as matter", () => {
  expect([0.0123, 3.14, 42.4, 1_204, undefined].map(millisecondsText)).toEqual([
    "0.012",
    "3.1",
    "42",
    "1,204",
    "-",
  ]);
});
