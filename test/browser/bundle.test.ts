import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { bundleFor } from "./bundle.ts";

const nodeModule = /^node:|__vite-browser-external/;

test("a bundle of colloquy/browser holds nothing of Node", async () => {
  const { files, entry, modules } = await bundleFor("src/browser/index.ts", true);
  expect(modules.some((name) => name.endsWith("src/network/network.ts"))).toBe(true);
  expect(modules.filter((name) => nodeModule.test(name))).toEqual([]);
  for (const code of files.values()) expect(code).not.toMatch(/["']node:|\brequire\(/);
  // It was 66 kB when this was written. The engine behind memory: is another file, loaded when asked for.
  expect(gzipSync(files.get(entry) ?? "").length).toBeLessThan(80_000);
});

test("the entry for Node is no such bundle", async () => {
  const { modules } = await bundleFor("src/index.ts");
  expect(modules.some((name) => nodeModule.test(name))).toBe(true);
});
