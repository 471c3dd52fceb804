/** The trading desk as a person runs it, only shorter: real processes, a real disaster. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode, sourceFlags } from "../support/run-node.ts";

const main = absolute("examples/trading-desk/main.ts");
const timeoutMs = 120_000;
const sockets = `colloquy-${process.getuid?.()}`;

test(
  "a short run books every order exactly once, although two processes are killed",
  async () => {
    const run = await runMain("--days", "300");
    expect(run.exitCode, `${run.stdout}\n${run.stderr}`).toBe(0);
    expect(run.stdout).toMatch(/killing the ledger \(process \d+\), which owns the store/);
    expect(run.stdout).toMatch(/[\d.,]+ ms from SIGKILL to the first durable acknowledgement/);
    expect(run.stdout).toContain("✓ every order was booked\n");
    expect(run.stdout).toContain("✓ no order was booked twice\n");
    expect(run.stdout).toContain("✓ the ledger's accounts equal the replay's\n");
    expect(run.stdout).not.toContain("✗");
    expect(run.stdout).toMatch(/PASSED in [\d.]+ s/);
    expect(run.stderr).toBe("");
  },
  timeoutMs,
);

test(
  "interrupted, it ends every process and leaves no file behind",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "colloquy-example-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    // A group of its own, so that the signal reaches all of it, as Ctrl-C in a terminal does.
    const child = spawn(process.execPath, [...sourceFlags, main], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, TMPDIR: directory },
    });
    const group = -(child.pid as number);
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const trading = said.includes("orders booked");
      said += chunk;
      if (!trading && said.includes("orders booked")) process.kill(group, "SIGINT");
    });
    const [exitCode] = (await once(child, "close")) as [number];
    expect(said).toContain("FAILED: interrupted");
    expect(exitCode).toBe(1);
    expect(() => process.kill(group, 0)).toThrow("ESRCH");
    // The directory for sockets is everybody's, and stays.
    const left = readdirSync(directory, { recursive: true }).filter((file) => file !== sockets);
    expect(left).toEqual([]);
  },
  timeoutMs,
);

test("--help says what there is, and wrong usage is refused with what would be right", async () => {
  const help = await runMain("--help");
  expect(help.exitCode).toBe(0);
  expect(help.stdout).toContain("--days");
  const wrong = await runMain("--days", "7");
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain("--days 7: not a whole number from");
});

function runMain(...parameters: readonly string[]) {
  return runNode(main, { workingDirectory: tmpdir(), timeoutMs, parameters });
}
