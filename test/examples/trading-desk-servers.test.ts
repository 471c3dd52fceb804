/** The trading desk over real servers, which are killed and started again in the middle of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { serverNames } from "../../scripts/brokers/servers.ts";
import { missingServer } from "../support/brokers.ts";
import { extent } from "../support/extent.ts";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";
import type { Server } from "../support/servers/server.ts";
import { startServer } from "../support/servers/servers.ts";

const main = absolute("examples/trading-desk/main.ts");
const timeoutMs = 180_000;

/** Elsewhere than in CI over one of them. */
const tried = serverNames.slice(0, extent({ ci: serverNames.length, here: 1 }));

for (const name of tried) {
  test.skipIf(missingServer(name))(
    `over ${name} every order is booked once, although a worker and the server are killed`,
    async () => runOver(await startServer[name]()),
    timeoutMs,
  );
}

test("a server that is not there is told of in one line", async () => {
  const desk = startDesk("--broker", "redis://127.0.0.1:1");
  const said = await desk.end(1);
  expect(said).toMatch(/FAILED: redis:\/\/127.0.0.1:1: .*is the server up/);
  expect(said.trim().split("\n")).toHaveLength(2);
});

async function runOver(server: Server): Promise<void> {
  onTestFinished(() => server.remove());
  const desk = startDesk("--days", "250", "--broker", server.url);
  await desk.until("Now killing");
  await server.kill();
  // For so long that those who are started in place of the killed find nobody there.
  await pause(2_000);
  await server.start();
  const said = await desk.end();
  expect(said).toMatch(/killing the ledger \(process \d+\) and execution-[12] \(process \d+\)/);
  expect(said).toContain("✓ every order was booked\n");
  expect(said).toContain("✓ no order was booked twice\n");
  expect(said).toContain("✓ the ledger's accounts equal the replay's\n");
  expect(said).not.toContain("✗");
  expect(said).toMatch(/PASSED in [\d.]+ s/);
}

function startDesk(...parameters: readonly string[]) {
  // A group of its own, so that nothing of it outlives a test that fails.
  const child = spawn(process.execPath, [...sourceFlags, main, ...parameters], { detached: true });
  const group = -(child.pid as number);
  onTestFinished(() => {
    if (child.exitCode === null) process.kill(group, "SIGKILL");
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      said += chunk;
    });
  }
  const closed = once(child, "close");
  return {
    async until(text: string): Promise<void> {
      while (!said.includes(text)) {
        const [exitCode] = await Promise.race([once(child.stdout, "data").then(() => []), closed]);
        if (exitCode !== undefined) throw new Error(`it ended with ${exitCode}: ${said}`);
      }
    },
    async end(expected = 0): Promise<string> {
      const [exitCode] = (await closed) as [unknown];
      expect(exitCode, said).toBe(expected);
      return said;
    },
  };
}
