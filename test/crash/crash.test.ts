/** A share of `npm run crash` in every run: the figures that docs/promises.md names for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { extent } from "../support/extent.ts";
import { broken } from "./audit.ts";
import { campaign } from "./campaign.ts";
import { buildFailingFlushes } from "./failing-flushes.ts";
import { mountSmallDisk } from "./small-disk.ts";

/** For machines that are busy with other things, and disks that are slow. */
const timeout = 600_000;

const kills = extent({ ci: 30, here: 6 });
const messagesPerKill = extent({ ci: 3_000, here: 1_000 });
const longStops = extent({ ci: 6, here: 1 });

test("G1 G2 G3 G4: kills of owners, senders and workers among their messages", {
  timeout,
}, async () => {
  // Between two kills there are at least half as many as on average.
  const acknowledgedMin = extent({ ci: 100_000, here: (kills * messagesPerKill) / 2 });
  const result = await campaign({
    seed: 20_261_126,
    kills,
    messagesPerKill,
    // Of some sends nobody knows what became of them. How many more there are is up to the machine.
    messagesMin: acknowledgedMin + 2_000,
    pauseEvery: 8,
    pauseMsMax: 1_500,
    // Some stand still for longer than a hub allows silence, which would take minutes as it is by default.
    longStops,
    silenceMs: 1_000,
  });
  console.log(JSON.stringify(result));
  expect(broken(result.audit)).toEqual({});
  expect(result.acknowledged).toBeGreaterThan(acknowledgedMin);
  const { owner, sender, worker } = result.tally.longStops;
  expect(owner + sender + worker).toBe(longStops);
});

test("G2 G3 G4: flushes fail in a process of three, and some are killed", {
  timeout,
}, async (context) => {
  const failingFlushes = buildFailingFlushes(workshop());
  if (failingFlushes === undefined) return context.skip("needs a C compiler");
  const result = await campaign({
    seed: 8,
    kills: extent({ ci: 8, here: 3 }),
    messagesPerKill: 1_000,
    pauseEvery: 0,
    pauseMsMax: 0,
    failingFlushes,
  });
  console.log(JSON.stringify(result));
  expect(broken(result.audit)).toEqual({});
});

test("G2 G3 G4: the disk fills up while some are killed: what was refused is not done, what was not is", {
  timeout,
}, async (context) => {
  const disk = mountSmallDisk(workshop(), 2);
  if (disk === undefined) return context.skip("needs the right to mount");
  onTestFinished(() => disk.unmount());
  const result = await campaign({
    seed: 4,
    kills: 6,
    messagesPerKill: 4_000,
    pauseEvery: 0,
    pauseMsMax: 0,
    directory: disk.path,
  });
  console.log(JSON.stringify(result));
  expect(broken(result.audit)).toEqual({});
  expect(result.rejected).toBeGreaterThan(100);
});

/** A directory for this test. */
function workshop(): string {
  const directory = mkdtempSync(join(tmpdir(), "colloquy-workshop-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
