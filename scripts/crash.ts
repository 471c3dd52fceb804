/**
 * Kills and stops real processes at work, then keeps the books: nothing acknowledged is lost, nothing
 * happens twice, nothing out of order.
 *
 *   npm run crash -- --kills 1000 --messages 1000000 --save
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { broken } from "../test/crash/audit.ts";
import { type CampaignResult, campaign, type Tally } from "../test/crash/campaign.ts";
import { buildFailingFlushes } from "../test/crash/failing-flushes.ts";
import { mountSmallDisk, type SmallDisk } from "../test/crash/small-disk.ts";
import { saveMeasured } from "./results/measured.ts";

const usage = `Usage: npm run crash -- [options]

  --kills N           processes killed with SIGKILL (default 100)
  --messages N        messages sent meanwhile, about (default 1,000 for each kill)
  --pause-every N     every so manieth blow stops a process for a while instead; 0: never (default 6)
  --pause-max MS      longest such pause (default 5000)
  --long-stops N      processes stopped for 36 to 50 seconds, longer than a hub allows silence (default 0)
  --disk MIB          keep the store on a disk of this size, which fills up (needs the right to mount)
  --no-flush-errors   let every flush succeed; else, with a C compiler, one fails in a process of three
  --seed N            who is struck, and when (default: a new one)
  --save              write the measured part of docs/results/crash.md
  --help

Exits with 0 when every promise was kept, 1 when one was broken, 2 for wrong usage.
`;

const page = "docs/results/crash.md";
/** Of the page, where there is none yet. */
const head = `# Crashes

Two senders and two workers share a directory on the embedded broker. Processes are killed with
SIGKILL and stopped with SIGSTOP, by a seed: whoever owns the store most of all, at random moments and
at the points where it has done one thing and not yet the next. Messages are sent under all three
guarantees, in four priorities, with keys and without; some fail at first. A worker's effect is an entry
in a log, staged. In the end the books are kept.`;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    messages: { type: "string" },
    "pause-every": { type: "string", default: "6" },
    "pause-max": { type: "string", default: "5000" },
    "long-stops": { type: "string", default: "0" },
    disk: { type: "string" },
    "no-flush-errors": { type: "boolean", default: false },
    seed: { type: "string", default: `${Date.now() % 2 ** 31}` },
    save: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const kills = wholeNumber("kills", values.kills, 1);
const messages = wholeNumber("messages", values.messages ?? `${1_000 * kills}`, kills);
const seed = wholeNumber("seed", values.seed, 0);
const loadBefore = loadavg()[0] as number;
const workshop = mkdtempSync(join(tmpdir(), "colloquy-crash-"));
const failingFlushes = values["no-flush-errors"] ? undefined : buildFailingFlushes(workshop);

const disk = values.disk === undefined ? undefined : smallDisk(wholeNumber("disk", values.disk, 1));

const begunMs = performance.now();
let shownMs = 0;
try {
  const result = await campaign({
    seed,
    kills,
    messagesPerKill: messages / kills,
    pauseEvery: wholeNumber("pause-every", values["pause-every"], 0),
    pauseMsMax: wholeNumber("pause-max", values["pause-max"], 0),
    longStops: wholeNumber("long-stops", values["long-stops"], 0),
    ...(failingFlushes === undefined ? {} : { failingFlushes }),
    ...(disk === undefined ? {} : { directory: disk.path }),
    progress: show,
  });
  const lines = summary(result);
  process.stdout.write(`${lines.join("\n")}\n`);
  const failures = broken(result.audit);
  for (const [promise, ids] of Object.entries(failures)) {
    process.stdout.write(`${promise}: ${ids.slice(0, 20).join(" ")}\n`);
  }
  if (values.save) {
    saveMeasured(page, { command: "npm run crash -- --save", head, text: measured(lines) });
  }
  process.exitCode = Object.keys(failures).length === 0 ? 0 : 1;
} finally {
  disk?.unmount();
  rmSync(workshop, { recursive: true, force: true });
}

function show(tally: Tally): void {
  const now = performance.now();
  if (now - shownMs < 2_000) return;
  shownMs = now;
  const seconds = Math.round((now - begunMs) / 1_000);
  process.stderr.write(
    `${seconds} s: ${killsOf(tally)} of ${kills} killed, ${tally.pauses + longStopsOf(tally)} stopped, ${tally.decided} messages\n`,
  );
}

function killsOf(tally: Tally): number {
  return Object.values(tally.kills).reduce((sum, count) => sum + count, 0);
}

function longStopsOf({ longStops }: Tally): number {
  return longStops.owner + longStops.sender + longStops.worker;
}

function summary({ tally, audit, ...counts }: CampaignResult): readonly string[] {
  const { owner, sender, worker, ...atPoints } = tally.kills;
  const points = Object.entries(atPoints).map(([point, count]) => `${count} ${point}`);
  return [
    `${killsOf(tally)} kills: ${owner} owners, ${sender} senders, ${worker} workers, and owners when messages were ${points.join(", ")}`,
    `${tally.pauses} processes stopped for ${Math.round(tally.pausedMs / 1_000)} s together`,
    `${longStopsOf(tally)} stopped for longer than a hub allows silence, ${Math.round(tally.longStops.stoppedMs / 1_000)} s together: ${tally.longStops.owner} owners, ${tally.longStops.sender} senders, ${tally.longStops.worker} workers`,
    `flushes made to fail in one process of three: ${failingFlushes === undefined ? "no" : "yes"}`,
    `${counts.acknowledged} messages acknowledged, ${counts.rejected} refused, ${counts.effects} effects, ${counts.dead} dead letters`,
    `${audit.repeatedStarts} handler starts repeated`,
    `lost: ${audit.lost.length}`,
    `refused and yet done: ${audit.rejectedYetDone.length}`,
    `double effects: ${audit.doubleEffects.length}`,
    `order inversions: ${audit.inversions.length}`,
    `second starts of at-most-once messages: ${audit.secondStarts.length}`,
    `${Math.round((performance.now() - begunMs) / 1_000)} s`,
  ];
}

function measured(lines: readonly string[]): string {
  const command = [
    ["kills", kills],
    ["messages", messages],
    ["seed", seed],
    ["pause-every", values["pause-every"]],
    ["pause-max", values["pause-max"]],
    ["long-stops", values["long-stops"]],
    ...(values.disk === undefined ? [] : [["disk", values.disk]]),
  ]
    .map(([option, value]) => `--${option} ${value}`)
    .join(" ");
  const processor = `${cpus().length} processors (${cpus()[0]?.model ?? "unknown"})`;
  return `- ${lines.join("\n- ")}

\`npm run crash -- ${command}\`, ${new Date().toISOString().slice(0, 10)}, ${processor},
${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.version}, ${process.platform}, load average before it began ${loadBefore.toFixed(1)}.
A seed decides who is struck and after how many messages; what the operating system does in between it
does not decide.
`;
}

function smallDisk(sizeMiB: number): SmallDisk {
  const mounted = mountSmallDisk(workshop, sizeMiB);
  if (mounted !== undefined) return mounted;
  process.stderr.write("--disk: needs the right to mount\n");
  process.exit(1);
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  process.stderr.write(`--${option}: ${text} is not a whole number, ${least} or more\n\n${usage}`);
  process.exit(2);
}
