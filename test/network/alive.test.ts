import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";

test("who has joined stays while nothing but a timer runs, and ends after leaving", async () => {
  const program = absolute("test/network/programs/waiting.ts");
  const run = await runNode(program, { workingDirectory: tmpdir(), timeoutMs: 50_000 });
  expect(run).toMatchObject({ exitCode: 0, stdout: "TIMEOUT\ndone\n" });
});
