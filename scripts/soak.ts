/**
 * Real processes under a steady load for a long time: `colloquy serve` with a store, and over TCP two
 * workers and two drivers that request, publish, stream and send durable commands. Ends with 1 when
 * memory or descriptors grow, when something is lost, or when the load could not be kept.
 *
 *   npm run soak -- --minutes 30 --load 0.7        writes docs/results/soak.md and soak.svg
 *
 * --load is the share of the highest rate that the same processes kept for 20 seconds just before.
 * --rate sets operations a second instead.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { calibrate } from "./soak/calibrate.ts";
import { ServedHub } from "./soak/hub.ts";
import { Member, type ProcessSample } from "./soak/members.ts";
import { drawing, type Moment, page, type Run, wrongOf } from "./soak/report.ts";
import { bytesIn, vitalsOf } from "./soak/vitals.ts";

const sampleMs = 5_000;
const momentsPerLine = 12;
const mib = 2 ** 20;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    load: { type: "string", default: "0.7" },
    rate: { type: "string" },
    out: { type: "string", default: "docs/results" },
  },
});
const minutes = above0("minutes", values.minutes);
const load = above0("load", values.load);
const given = values.rate === undefined ? undefined : above0("rate", values.rate);

const directory = mkdtempSync(join(tmpdir(), "colloquy-soak-"));
const loadBefore = loadavg()[0] as number;
const members: Member[] = [];
const hub = await ServedHub.start(directory);
try {
  for (const name of ["worker-1", "worker-2", "driver-1", "driver-2"] as const) {
    const role = name.startsWith("worker") ? "worker" : "driver";
    members.push(await Member.start(role, hub.url, name));
  }
  const drivers = members.filter(({ role }) => role === "driver");
  const calibration = given === undefined ? await calibrate(drivers) : undefined;
  const rate = given ?? (calibration?.sustained ?? 0) * load;
  console.log(`${Math.round(rate)} operations a second, ${minutes} minutes`);
  const behindBefore = await behind(drivers);
  for (const driver of drivers) driver.drive(rate / drivers.length);
  const moments = await observe();
  const behindDuring = (await behind(drivers)) - behindBefore;
  const last = new Map<string, ProcessSample>();
  // Drivers first: what they sent must still be handled.
  for (const member of members.toReversed()) last.set(member.name, await member.stop());
  await hub.stop();
  const names = [hub, ...members].map(({ name }) => name);
  conclude({
    names,
    moments,
    last,
    rate,
    behind: behindDuring,
    minutes,
    load,
    given,
    calibration,
    loadBefore,
  });
} finally {
  for (const process of [hub, ...members]) process.kill();
  rmSync(directory, { recursive: true, force: true });
}

async function behind(drivers: readonly Member[]): Promise<number> {
  const samples = await Promise.all(drivers.map((driver) => driver.sample()));
  return samples.reduce((sum, { counts }) => sum + counts.behind, 0);
}

async function observe(): Promise<readonly Moment[]> {
  const moments: Moment[] = [];
  const beganMs = performance.now();
  for (;;) {
    await pause(sampleMs);
    const clients = await Promise.all(
      members.map(async (member) => ({ ...(await member.sample()), ...vitalsOf(member.pid) })),
    );
    const seconds = (performance.now() - beganMs) / 1_000;
    const processes = [vitalsOf(hub.pid), ...clients];
    moments.push({ seconds, storeBytes: bytesIn(directory), processes });
    if (moments.length % momentsPerLine === 0) console.log(line(moments.at(-1) as Moment));
    if (seconds >= minutes * 60) return moments;
  }
}

function line({ seconds, storeBytes, processes }: Moment): string {
  const names = [hub, ...members].map(({ name }) => name);
  const of = processes.map(({ rss, descriptors }, at) => {
    return `${names[at]} ${Math.round(rss / mib)} MiB ${descriptors} fd`;
  });
  return `${Math.round(seconds)} s: ${of.join(", ")}, store ${Math.round(storeBytes / mib)} MiB`;
}

function conclude(run: Run): void {
  const wrong = wrongOf(run);
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, "soak.md"), page(run, wrong));
  writeFileSync(join(values.out, "soak.svg"), drawing(run));
  console.log(wrong.length === 0 ? "Flat, and nothing lost." : `Wrong: ${wrong.join("; ")}.`);
  if (wrong.length > 0) process.exitCode = 1;
}

function above0(option: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  console.error(`--${option}: ${text} is not above 0`);
  process.exit(2);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
