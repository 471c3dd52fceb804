/**
 * Real processes under a steady load for a long time: a hub, two workers and two drivers that request,
 * publish, stream and send durable commands. Ends with 1 when memory or descriptors grow, when something
 * is lost, or when the load could not be kept.
 *
 *   npm run soak -- --minutes 30 --load 0.7        writes docs/results/soak.md and soak.svg
 *
 * --load is the share of the rate that the same processes reached just before, with as much in flight as
 * there may be. --rate sets operations a second instead.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chart } from "./soak/chart.ts";
import { median, slope } from "./soak/judge.ts";
import { Member, type ProcessSample } from "./soak/members.ts";

const calibrationMs = 15_000;
const settleMs = 5_000;
const sampleMs = 5_000;
const mib = 2 ** 20;
/** Over the second half, resident memory may grow by so much: garbage is not collected evenly. */
const growthBytesMax = 16 * mib;
const growthShareMax = 0.1;
const descriptorsMax = 2;
/** Less than this of the load that was asked for is another experiment. */
const keptShareMin = 0.9;

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

interface Moment {
  readonly seconds: number;
  readonly storeBytes: number;
  readonly members: readonly (ProcessSample & {
    readonly rss: number;
    readonly descriptors: number;
  })[];
}

const directory = mkdtempSync(join(tmpdir(), "colloquy-soak-"));
const members: Member[] = [];
const loadBefore = loadavg()[0] as number;
try {
  for (const [role, name] of [
    ["hub", "hub"],
    ["worker", "worker-1"],
    ["worker", "worker-2"],
    ["driver", "driver-1"],
    ["driver", "driver-2"],
  ] as const) {
    members.push(await Member.start(role, directory, name));
  }
  const drivers = members.filter(({ role }) => role === "driver");
  const reached = values.rate === undefined ? await calibrate(drivers) : undefined;
  const rate = reached === undefined ? above0("rate", values.rate ?? "") : reached * load;
  console.log(`${Math.round(rate)} operations a second, ${minutes} minutes`);
  for (const driver of drivers) driver.drive(rate / drivers.length);
  const moments = await observe();
  const last = new Map<string, ProcessSample>();
  // Drivers first: what they sent must still be handled.
  for (const member of members.toReversed()) last.set(member.name, await member.stop());
  conclude(moments, last, rate, reached);
} finally {
  for (const member of members) member.kill();
  rmSync(directory, { recursive: true, force: true });
}

async function calibrate(drivers: readonly Member[]): Promise<number> {
  for (const driver of drivers) driver.drive(null);
  await pause(settleMs);
  const before = await operations(drivers);
  const beganMs = performance.now();
  await pause(calibrationMs);
  const done = (await operations(drivers)) - before;
  const reached = (done * 1_000) / (performance.now() - beganMs);
  console.log(`at most ${Math.round(reached)} operations a second`);
  return reached;
}

async function operations(drivers: readonly Member[]): Promise<number> {
  const samples = await Promise.all(drivers.map((driver) => driver.sample()));
  return samples.reduce((sum, { counts }) => sum + counts.operations, 0);
}

async function observe(): Promise<readonly Moment[]> {
  const moments: Moment[] = [];
  const beganMs = performance.now();
  for (;;) {
    await pause(sampleMs);
    const samples = await Promise.all(
      members.map(async (member) => {
        const { rssBytes: rss, descriptors } = member;
        return { ...(await member.sample()), rss, descriptors };
      }),
    );
    const seconds = (performance.now() - beganMs) / 1_000;
    moments.push({ seconds, storeBytes: bytesIn(directory), members: samples });
    if (moments.length % 12 === 0) console.log(line(moments.at(-1) as Moment));
    if (seconds >= minutes * 60) return moments;
  }
}

function line({ seconds, storeBytes, members: samples }: Moment): string {
  const of = samples.map(({ rss, descriptors }, at) => {
    return `${members[at]?.name} ${Math.round(rss / mib)} MiB ${descriptors} fd`;
  });
  return `${Math.round(seconds)} s: ${of.join(", ")}, store ${Math.round(storeBytes / mib)} MiB`;
}

function conclude(
  moments: readonly Moment[],
  last: ReadonlyMap<string, ProcessSample>,
  rate: number,
  reached: number | undefined,
): void {
  const wrong: string[] = [];
  const half = moments.slice(Math.floor(moments.length / 2));
  const halfSeconds = (half.at(-1)?.seconds ?? 0) - (half[0]?.seconds ?? 0);
  const rows = members.map(({ name, role }, at) => {
    const rss = half.map((moment) => [moment.seconds, moment.members[at]?.rss ?? 0] as const);
    const heap = half.map((moment) => [moment.seconds, moment.members[at]?.heapUsed ?? 0] as const);
    const external = half.map((moment) => moment.members[at]?.external ?? 0);
    const growth = slope(rss) * halfSeconds;
    const allowed = Math.max(
      growthBytesMax,
      growthShareMax * median(rss.map(([, value]) => value)),
    );
    if (growth > allowed) wrong.push(`${name}: resident memory grew by ${inMib(growth)} MiB`);
    const descriptors = half.map((moment) => moment.members[at]?.descriptors ?? 0);
    const [first = 0, end = 0] = [descriptors[0], descriptors.at(-1)];
    if (end - first > descriptorsMax) wrong.push(`${name}: descriptors from ${first} to ${end}`);
    const tails = half.map((moment) => moment.members[at]);
    const speed =
      role === "driver"
        ? `${median(tails.map((tail) => tail?.p50 ?? 0)).toFixed(1)} / ${median(tails.map((tail) => tail?.p99 ?? 0)).toFixed(1)} ms`
        : "";
    const middle = (of: readonly (readonly [number, number])[]) =>
      median(of.map(([, value]) => value));
    return `| ${name} | ${inMib(middle(rss))} | ${inMib(growth)} | ${inMib(middle(heap))} | ${inMib(median(external))} | ${first} → ${end} | ${speed} |`;
  });
  const total = { operations: 0, failed: 0, sent: 0, done: 0, published: 0, behind: 0 };
  let [handled, heard] = [0, 0];
  const failures: string[] = [];
  for (const sample of last.values()) {
    for (const key of Object.keys(total) as (keyof typeof total)[])
      total[key] += sample.counts[key];
    handled += sample.handled;
    heard += sample.heard;
    failures.push(...sample.failures);
  }
  for (const moment of moments) for (const { failures: of } of moment.members) failures.push(...of);
  if (total.failed > 0) wrong.push(`${total.failed} operations failed: ${failures[0]}`);
  if (total.done !== total.sent) wrong.push(`${total.sent} commands sent, ${total.done} done`);
  if (handled < total.done) wrong.push(`${total.done} commands done, ${handled} handled`);
  const workers = members.filter(({ role }) => role === "worker").length;
  const offered = rate * (moments.at(-1)?.seconds ?? 0);
  const kept = Math.max(0, 1 - total.behind / offered);
  if (kept < keptShareMin) wrong.push(`only ${Math.round(kept * 100)}% of the load was kept`);
  const verdict = wrong.length === 0 ? "Flat, and nothing lost." : `Wrong: ${wrong.join("; ")}.`;
  const store = [half[0]?.storeBytes ?? 0, half.at(-1)?.storeBytes ?? 0].map(inMib).join(" → ");
  const calibrated =
    reached === undefined
      ? "a rate that was given"
      : `${Math.round(load * 100)}% of the ${Math.round(reached)} a second that the same processes reached just before`;
  const page = `# Soak

${verdict}

- ${new Date().toISOString().slice(0, 10)}, \`npm run soak -- --minutes ${minutes} ${values.rate === undefined ? `--load ${load}` : `--rate ${values.rate}`}\`, from sources
- ${cpus().length} processors (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.version}, ${process.platform}
- load average before it began: ${loadBefore.toFixed(1)}, when it ended: ${(loadavg()[0] as number).toFixed(1)}; an idle machine has 0
- one process that owns the store and runs the hub, two with workers and two with drivers, over Unix sockets
- ${Math.round(rate)} operations a second, ${calibrated}: 60% requests, 20% publications to two subscribers, 15% durable commands, 5% streams of 10 chunks

In the second half of the run, ${(halfSeconds / 60).toFixed(1)} minutes (medians; growth is the least-squares line's, and may be
${growthBytesMax / mib} MiB or ${growthShareMax * 100}%, whichever is more; descriptors may differ by ${descriptorsMax}):

| process | resident MiB | growth MiB | heap MiB | external MiB | descriptors | p50 / p99 |
|---|--:|--:|--:|--:|--:|--:|
${rows.join("\n")}

The store went from ${store} MiB. The heap of the hub is its main thread's; what its worker thread
has is in the resident memory.

Of the whole run: ${total.operations} operations, ${total.failed} failed; ${total.sent} durable commands acknowledged, ${total.done}
done, ${handled} handled; ${total.published} publications, ${heard} heard by ${workers} subscribers; ${total.behind} operations were not begun
because 128 of a driver were in flight. Calibration is counted in. Of the rate offered, ${Math.round(kept * 100)}% was kept.

![memory, descriptors and latency over time](soak.svg)
`;
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, "soak.md"), page);
  writeFileSync(join(values.out, "soak.svg"), drawing(moments));
  console.log(verdict);
  if (wrong.length > 0) process.exitCode = 1;
}

function drawing(moments: readonly Moment[]): string {
  type Sampled = Moment["members"][number];
  const lines = (of: (sample: Sampled) => number, only?: string) =>
    members.flatMap(({ name, role }, at) => {
      if (only !== undefined && role !== only) return [];
      const points = moments.map((moment) => {
        return [moment.seconds, of(moment.members[at] as Sampled)] as const;
      });
      return [{ name, points }];
    });
  const store = moments.map(({ seconds, storeBytes }) => [seconds, storeBytes / mib] as const);
  return chart([
    { title: "resident memory, MiB", lines: lines(({ rss }) => rss / mib) },
    { title: "heap, MiB", lines: lines(({ heapUsed }) => heapUsed / mib) },
    { title: "descriptors", lines: lines(({ descriptors }) => descriptors) },
    { title: "p99 of operations, ms", lines: lines(({ p99 }) => p99, "driver") },
    { title: "store, MiB", lines: [{ name: "store", points: store }] },
  ]);
}

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) {
      bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
    }
  }
  return bytes;
}

function inMib(bytes: number): string {
  return (bytes / mib).toFixed(1);
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
