import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { saveMeasured } from "../../scripts/results/measured.ts";

function page(): string {
  const directory = mkdtempSync(join(tmpdir(), "colloquy-page-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, "results", "page.md");
}

const part = (text: string) => ({ command: "npm run it", text, head: "# Title" });

test("what was measured before is replaced, and what people have written stays", () => {
  const path = page();
  saveMeasured(path, part("one"));
  const first = readFileSync(path, "utf8");
  expect(first).toBe("# Title\n\n<!-- measured: npm run it -->\n\none\n\n<!-- /measured -->\n");
  writeFileSync(path, `${first.replace("# Title", "# Ours")}\nWhy it is so.\n`);
  saveMeasured(path, part("two"));
  expect(readFileSync(path, "utf8")).toBe(
    "# Ours\n\n<!-- measured: npm run it -->\n\ntwo\n\n<!-- /measured -->\n\nWhy it is so.\n",
  );
});

test("a page that people have written is left alone", () => {
  const path = page();
  saveMeasured(path, part("one"));
  writeFileSync(path, "By hand.\n");
  expect(() => saveMeasured(path, part("two"))).toThrow(/has no "<!-- measured/);
  expect(readFileSync(path, "utf8")).toBe("By hand.\n");
});
