/** The simulator itself: a seed is one run, everywhere, and a failing one becomes small. */
import { expect, test } from "vitest";
import { planOf } from "../../../src/testing/simulator/plan.ts";
import { runPlan } from "../../../src/testing/simulator/run.ts";
import { absolute } from "../../support/repository.ts";
import { runNode } from "../../support/run-node.ts";

const seeds = [3, 14, 159, 265];

test("the same seed is the same run, twice and in another process", {
  timeout: 120_000,
}, async () => {
  for (const seed of seeds) {
    const first = (await runPlan(planOf(seed))).digest();
    expect((await runPlan(planOf(seed))).digest()).toBe(first);
    const run = await runNode(absolute("scripts/simulate.ts"), {
      workingDirectory: absolute("."),
      parameters: ["--seed", String(seed)],
      timeoutMs: 50_000,
    });
    expect(run.stdout).toContain(`digest ${first}`);
  }
});

test("npm run simulate says how it is used, and what is wrong about its use", async () => {
  const simulate = (...parameters: string[]) =>
    runNode(absolute("scripts/simulate.ts"), {
      workingDirectory: absolute("."),
      parameters,
      timeoutMs: 50_000,
    });
  const help = await simulate("--help");
  expect(help.exitCode).toBe(0);
  for (const option of ["--seeds", "--mutants", "mailbox-churn"]) {
    expect(help.stdout).toContain(option);
  }
  const wrong = [
    ["--seed", "x"],
    ["--scenario", "nowhere"],
    ["--faults", "0,"],
    ["--sedes", "1"],
  ];
  const runs = await Promise.all(wrong.map((parameters) => simulate(...parameters)));
  for (const [index, { exitCode, stderr }] of runs.entries()) {
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toContain(wrong[index]?.[0]);
  }
});

test("another seed is another run", async () => {
  const digests = await Promise.all(
    [1, 2, 3].map(async (seed) => (await runPlan(planOf(seed))).digest()),
  );
  expect(new Set(digests).size).toBe(3);
});
