/** The trading desk as a person runs it, only shorter: real processes, a real disaster. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";

const main = absolute("examples/trading-desk/main.ts");

test("a short run books every order exactly once, although two processes are killed", async () => {
  const run = await runMain("--days", "400");
  const said = `${run.stdout}\n${run.stderr}`;
  expect(run.exitCode, said).toBe(0);
  expect(run.stdout).toMatch(/killing the ledger \(process \d+\), which owns the store/);
  expect(run.stdout).toMatch(/[\d.,]+ ms from SIGKILL to the first durable acknowledgement/);
  expect(run.stdout).toContain("✓ every order was booked\n");
  expect(run.stdout).toContain("✓ no order was booked twice\n");
  expect(run.stdout).toContain("✓ the ledger's accounts equal the replay's\n");
  expect(run.stdout).not.toContain("✗");
  expect(run.stdout).toMatch(/PASSED in [\d.]+ s/);
  expect(run.stderr).toBe("");
  expect(run.leftBehind).toEqual([]);
}, 60_000);

test("--help says what there is, and wrong usage is refused with what would be right", async () => {
  const help = await runMain("--help");
  expect(help.exitCode).toBe(0);
  expect(help.stdout).toContain("--days");
  const wrong = await runMain("--days", "7");
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain("--days 7");
});

async function runMain(...parameters: readonly string[]) {
  const workingDirectory = mkdtempSync(join(tmpdir(), "colloquy-example-"));
  try {
    const run = await runNode(main, { workingDirectory, timeoutMs: 60_000, parameters });
    return { ...run, leftBehind: readdirSync(workingDirectory) };
  } finally {
    rmSync(workingDirectory, { recursive: true });
  }
}
