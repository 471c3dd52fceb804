import { expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";

test("the simulator holds one way of booking for right, and finds what is wrong with the other", {
  timeout: 120_000,
}, async () => {
  const run = await runNode(absolute("examples/simulated-faults/main.ts"), {
    workingDirectory: absolute("."),
    timeoutMs: 110_000,
  });
  expect(run.stderr).toBe("");
  expect(run.stdout).toContain("every payment was booked, and none twice");
  expect(run.stdout).toMatch(/booked by hand: seed \d+ fails/);
  expect(run.exitCode).toBe(0);
});
