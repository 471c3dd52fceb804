import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";

test("the failure of a request that its handler did not wait for is nobody's secret", async () => {
  const program = absolute("test/agent/programs/careless.ts");
  const run = await runNode(program, { workingDirectory: tmpdir(), timeoutMs: 50_000 });
  expect(run).toMatchObject({ exitCode: 0, stdout: "AGENT_UNREACHABLE\n" });
});
