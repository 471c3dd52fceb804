/** The last line of a verification, and whether it ends well. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";

const directory = mkdtempSync(join(tmpdir(), "colloquy-summary-"));
afterAll(() => rmSync(directory, { recursive: true }));

const passed = {
  success: true,
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [],
};

async function summaryOf(
  report?: object | string,
  ...runner: readonly string[]
): Promise<readonly [line: string, exitCode: unknown]> {
  const path = join(directory, "report.json");
  rmSync(path, { force: true });
  const text = typeof report === "string" ? report : JSON.stringify(report);
  if (text !== undefined) writeFileSync(path, text);
  const { stdout, exitCode } = await runNode(absolute("scripts/print-summary.ts"), {
    workingDirectory: directory,
    timeoutMs: 50_000,
    parameters: [path, ...runner],
  });
  return [stdout.trim(), exitCode];
}

test("all that passed is a success, and one that was skipped is none", async () => {
  expect(await summaryOf(passed)).toEqual(["3 passed, 0 failed, 0 skipped", 0]);
  const skipped = { ...passed, numPendingTests: 1, numTodoTests: 1 };
  expect(await summaryOf(skipped)).toEqual(["3 passed, 0 failed, 2 skipped", 1]);
  const [line] = await summaryOf({ ...passed, success: false, numPendingTests: 10 });
  expect(line).toBe("3 passed, 1 failed, 10 skipped");
});

test("a file that could not be loaded, and a missing or broken report, are failures", async () => {
  const unloadable = {
    ...passed,
    success: false,
    testResults: [{ status: "failed", assertionResults: [] }],
  };
  expect((await summaryOf(unloadable))[0]).toBe("3 passed, 1 failed, 0 skipped");
  expect((await summaryOf())[0]).toBe("0 passed, 1 failed, 0 skipped");
  expect((await summaryOf('{"success": tr'))[0]).toBe("0 passed, 1 failed, 0 skipped");
});

test("an error of no test, of which the report says nothing, is a failure by the runner's exit code", async () => {
  expect((await summaryOf(passed, "0"))[0]).toBe("3 passed, 0 failed, 0 skipped");
  expect((await summaryOf(passed, "1"))[0]).toBe("3 passed, 1 failed, 0 skipped");
  const [line] = await summaryOf({ ...passed, success: false, numFailedTests: 2 }, "1");
  expect(line).toBe("3 passed, 2 failed, 0 skipped");
});
