import { expect, test } from "vitest";
import { table } from "../../../src/cli/shell/table.ts";
import { cut, widthOf } from "../../../src/cli/shell/width.ts";

test("a text is as wide as a terminal draws it", () => {
  const widths = {
    "": 0,
    plain: 5,
    日本: 4,
    カナ: 4,
    ｶﾅ: 2,
    한국: 4,
    "\u1100\u1161\u11a8": 2, // a syllable of Hangul, in its parts
    ＡＢ: 4,
    é: 1,
    "e\u0301": 1,
    กำ: 2,
    क्ष: 2,
    "😀": 2,
    "👩‍👩‍👧": 2,
    "👍🏽": 2,
    "🇩🇪": 2,
    "❤": 1,
    "❤\ufe0f": 2,
    "1\ufe0f\u20e3": 2,
    "a\u200bb": 2,
    "→ …": 3,
  };
  for (const [text, width] of Object.entries(widths)) expect(widthOf(text), text).toBe(width);
});

test("a cut takes whole characters, and no more than fit", () => {
  expect(cut("日本語テキスト", 6)).toBe("日本…");
  expect(cut("日本語", 6)).toBe("日本語");
  expect(cut("日本語", 5)).toBe("日本…");
  expect(cut("👩‍👩‍👧👩‍👩‍👧", 3)).toBe("👩‍👩‍👧…");
  expect(cut("e\u0301e\u0301e\u0301", 2)).toBe("e\u0301…");
  expect(cut("abc", 0)).toBe("…");
});

test("columns stay under one another, whatever is in them", () => {
  const columns = [
    { title: "NAME" },
    { title: "WHAT", elastic: true },
    { title: "COUNT", align: "right" },
  ] as const;
  const rows = [
    ["日本", "plain", "1"],
    ["😀", "e\u0301te\u0301", "20"],
    ["abcdef", "한국어", "300"],
  ];
  expect(table(columns, rows)).toEqual([
    "NAME    WHAT    COUNT",
    "日本    plain       1",
    "😀      e\u0301te\u0301        20",
    "abcdef  한국어    300",
  ]);
  const long = [["a", "日本語".repeat(9), "1"]];
  for (const line of table(columns, long, 24)) expect(widthOf(line)).toBeLessThanOrEqual(24);
  expect(table(columns, long, 24)[1]).toBe("a     日本語日本…      1");
});
