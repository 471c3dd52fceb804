import { expect, test } from "vitest";
import { extent } from "../../support/extent.ts";
import { fc } from "../../support/properties.ts";
import { runWorld, worldArbitrary } from "../../support/waiting-agents.ts";

const runs = Number(process.env["COLLOQUY_RUNS"] ?? extent({ ci: 1_500, here: 200 }));

test("whoever is told of a deadlock is in one, and nobody who is in one waits for a timeout", async () => {
  let deadlocks = 0;
  await fc.assert(
    fc.asyncProperty(worldArbitrary, async (world) => {
      const told = await runWorld(world);
      const refused = told.filter(({ code }) => code === "DEADLOCK");
      deadlocks += refused.length;
      expect(refused.filter(({ deadlocked }) => !deadlocked)).toEqual([]);
      expect(told.filter(({ code }) => code !== "DEADLOCK" && code !== "CANCELLED")).toEqual([]);
    }),
    { numRuns: runs },
  );
  expect(deadlocks).toBeGreaterThan(runs / 10);
}, 300_000);
