/** A share of `npm run crash` in every run: the figures that docs/promises.md names for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { broken } from "./audit.ts";
import { campaign } from "./campaign.ts";
import { buildFailingFlushes } from "./failing-flushes.ts";

/** For machines that are busy with other things. */
const timeout = 300_000;

test("G1 G2 G3 G4: 30 kills of owners, senders and workers among their messages", {
  timeout,
}, async () => {
  const result = await campaign({
    seed: 20_261_126,
    kills: 30,
    messagesPerKill: 3_000,
    pauseEvery: 8,
    pauseMsMax: 1_500,
  });
  console.log(JSON.stringify(result));
  expect(broken(result.audit)).toEqual({});
  expect(result.acknowledged).toBeGreaterThan(100_000);
});

test("G2 G3 G4: flushes fail in a process of three, and eight are killed", {
  timeout,
}, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "colloquy-flushes-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const failingFlushes = buildFailingFlushes(directory);
  if (failingFlushes === undefined) return context.skip("needs a C compiler");
  const result = await campaign({
    seed: 8,
    kills: 8,
    messagesPerKill: 1_000,
    pauseEvery: 0,
    pauseMsMax: 0,
    failingFlushes,
  });
  console.log(JSON.stringify(result));
  expect(broken(result.audit)).toEqual({});
});
