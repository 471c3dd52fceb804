/** A share of `npm run hostile`: strangers by TCP, HTTP and WebSocket at a hub in a process of its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";

const root = absolute(".");
const out = mkdtempSync(join(tmpdir(), "colloquy-hostile-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

test("G19: thirty strangers of every kind end, by what they did or by the deadline; others are served", {
  timeout: 120_000,
}, async () => {
  const { exitCode, stdout } = await runNode("scripts/hostile.ts", {
    workingDirectory: root,
    timeoutMs: 110_000,
    parameters: ["--connections", "30", "--patience", "1000", "--out", out],
  });
  expect(stdout).toMatch(/Held\.\n$/);
  expect(exitCode).toBe(0);
  const page = readFileSync(join(out, "hostile.md"), "utf8");
  for (const kind of ["TCP", "HTTP", "WebSocket"]) expect(page).toContain(`| ${kind}: `);
});
