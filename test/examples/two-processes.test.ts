/** The newcomer's example, run as a newcomer runs it: two terminals, one directory. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode, sourceFlags } from "../support/run-node.ts";

test("two programs started in one directory talk", { timeout: 60_000 }, async () => {
  const workingDirectory = mkdtempSync(join(tmpdir(), "colloquy-example-"));
  onTestFinished(() => rmSync(workingDirectory, { recursive: true }));
  const greeter = startGreeter(workingDirectory);
  const said = output(greeter);
  await said.includes("The greeter is here");

  const asker = await runNode(absolute("examples/two-processes/asker.ts"), {
    workingDirectory,
    timeoutMs: 40_000,
  });
  expect(asker.stderr).toBe("");
  expect(asker.stdout).toBe("Hello, world!\nThe command is done.\n");
  expect(asker.exitCode).toBe(0);
  await said.includes("I shall remember world.");

  greeter.kill("SIGINT");
  await once(greeter, "exit");
});

function startGreeter(workingDirectory: string): ChildProcess {
  const file = absolute("examples/two-processes/greeter.ts");
  const child = spawn(process.execPath, [...sourceFlags, file], {
    cwd: workingDirectory,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

interface Output {
  /** Resolves when `text` has been printed. */
  includes(text: string): Promise<void>;
}

function output(child: ChildProcess): Output {
  let printed = "";
  let look = (): void => undefined;
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    printed += chunk;
    look();
  });
  return {
    includes: (text) =>
      new Promise((resolve) => {
        look = () => printed.includes(text) && resolve();
        look();
      }),
  };
}
