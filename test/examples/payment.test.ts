/** The payment example: right against a service that deduplicates, and wrong against one that does not. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";

function run(...parameters: readonly string[]) {
  const workingDirectory = mkdtempSync(join(tmpdir(), "colloquy-example-"));
  onTestFinished(() => rmSync(workingDirectory, { recursive: true }));
  const file = absolute("examples/payment/main.ts");
  return runNode(file, { workingDirectory, timeoutMs: 60_000, parameters });
}

test("G3: a worker dies after it charged, and the customer is charged once", {
  timeout: 90_000,
}, async () => {
  const { exitCode, stdout, stderr } = await run();
  expect(stderr).toBe("");
  expect(stdout).toBe(
    "Charged 1 time, and the worker is dead.\nAsked 2 times, charged 1 time.\nBooked once.\n",
  );
  expect(exitCode).toBe(0);
});

test("against a service that does not deduplicate it says so, and fails", {
  timeout: 90_000,
}, async () => {
  const { exitCode, stderr } = await run("--forgetful");
  expect(stderr).toMatch(/one charge/);
  expect(exitCode).toBe(1);
});
