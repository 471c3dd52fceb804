/** What a soak came to: what is wrong with it, its page, and its chart. */
import { cpus, loadavg, totalmem } from "node:os";
import type { Calibration } from "./calibrate.ts";
import { chart } from "./chart.ts";
import { median, slope } from "./judge.ts";
import type { ProcessSample } from "./members.ts";
import type { Vitals } from "./vitals.ts";

/** The hub, of which only the system tells, or a client. */
export type Observed = Vitals & Partial<ProcessSample>;

export interface Moment {
  readonly seconds: number;
  readonly storeBytes: number;
  /** In the order of `Run.names`. */
  readonly processes: readonly Observed[];
}

export interface Run {
  readonly names: readonly string[];
  readonly moments: readonly Moment[];
  /** The last word of each client. */
  readonly last: ReadonlyMap<string, ProcessSample>;
  /** Operations a second. */
  readonly rate: number;
  /** Operations that were not begun when they were due. */
  readonly behind: number;
  readonly minutes: number;
  readonly load: number;
  readonly given: number | undefined;
  readonly calibration: Calibration | undefined;
  readonly loadBefore: number;
}

const mib = 2 ** 20;
/** Over the second half, resident memory may grow by so much: garbage is not collected evenly. */
const growthBytesMax = 16 * mib;
const growthShareMax = 0.1;
const descriptorsMax = 2;
/** Less than this of the load that was asked for is another experiment. */
const keptShareMin = 0.95;

/** The second half of a run, of one process. */
interface Half {
  readonly name: string;
  readonly rss: number;
  readonly growth: number;
  readonly heap: number | undefined;
  readonly external: number | undefined;
  readonly descriptors: readonly [first: number, end: number];
  readonly latency: string;
}

export function wrongOf(run: Run): readonly string[] {
  const wrong: string[] = [];
  for (const { name, rss, growth, descriptors } of halves(run)) {
    const allowed = Math.max(growthBytesMax, growthShareMax * rss);
    if (growth > allowed) wrong.push(`${name}: resident memory grew by ${inMib(growth)} MiB`);
    const [first, end] = descriptors;
    if (end - first > descriptorsMax) wrong.push(`${name}: descriptors from ${first} to ${end}`);
  }
  const { failed, sent, done, handled, failures } = totals(run);
  if (failed > 0) wrong.push(`${failed} operations failed: ${failures[0]}`);
  if (done !== sent) wrong.push(`${sent} commands sent, ${done} done`);
  if (handled < done) wrong.push(`${done} commands done, ${handled} handled`);
  const kept = keptShare(run);
  if (kept < keptShareMin) wrong.push(`only ${percent(kept)} of the load was kept`);
  return wrong;
}

export function page(run: Run, wrong: readonly string[]): string {
  const { moments, rate, behind, minutes, load, given, loadBefore } = run;
  const { operations, failed, sent, done, published, handled, heard } = totals(run);
  const store = secondHalf(run);
  const stores = [store[0], store.at(-1)].map((moment) => inMib(moment?.storeBytes ?? 0));
  const [first] = halves(run);
  return `# Soak

${wrong.length === 0 ? "Flat, and nothing lost." : `Wrong: ${wrong.join("; ")}.`}

- ${new Date().toISOString().slice(0, 10)}, \`npm run soak -- --minutes ${minutes} ${given === undefined ? `--load ${load}` : `--rate ${given}`}\`, from sources
- ${cpus().length} processors (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.version}, ${process.platform}
- load average before it began: ${loadBefore.toFixed(1)}, when it ended: ${(loadavg()[0] as number).toFixed(1)}; an idle machine has 0
- \`colloquy serve\` with a store on disk, two processes with workers and two with drivers, over TCP on loopback
- ${Math.round(rate)} operations a second, at a steady pace: 60% requests, 20% publications to two subscribers, 15% durable commands, 5% streams of 10 chunks
${calibrated(run)}
In the second half of the run, ${(halfSeconds(run) / 60).toFixed(1)} minutes (medians; growth is the least-squares line's, and may be
${growthBytesMax / mib} MiB or ${percent(growthShareMax)}, whichever is more; descriptors may differ by ${descriptorsMax}):

| process | resident MiB | growth MiB | heap MiB | external MiB | descriptors | p50 / p99 |
|---|--:|--:|--:|--:|--:|--:|
${halves(run).map(row).join("\n")}

The store went from ${stores.join(" to ")} MiB. At its slope the hub would grow by ${inMib(((first?.growth ?? 0) * 3_600) / halfSeconds(run))} MiB in an hour.

Of the whole run, calibration included: ${operations} operations, ${failed} failed; ${sent} durable commands acknowledged,
${done} done, ${handled} handled; ${published} publications, ${heard} heard by two subscribers. Of the
${Math.round(rate * (moments.at(-1)?.seconds ?? 0))} operations that were due after calibration, ${behind} were not begun, because 256 of their driver
were in flight: ${percent(keptShare(run))} of the load was kept.

![memory, descriptors and latency over time](soak.svg)
`;
}

export function drawing({ names, moments }: Run): string {
  const lines = (of: (observed: Observed) => number | undefined, only = "") =>
    names.flatMap((name, at) => {
      const points = moments.flatMap(({ seconds, processes }) => {
        const value = of(processes[at] as Observed);
        return value === undefined ? [] : [[seconds, value] as const];
      });
      return points.length === 0 || !name.startsWith(only) ? [] : [{ name, points }];
    });
  const store = moments.map(({ seconds, storeBytes }) => [seconds, storeBytes / mib] as const);
  return chart([
    { title: "resident memory, MiB", lines: lines(({ rss }) => rss / mib) },
    {
      title: "heap, MiB",
      lines: lines(({ heapUsed }) => (heapUsed === undefined ? undefined : heapUsed / mib)),
    },
    { title: "descriptors", lines: lines(({ descriptors }) => descriptors) },
    { title: "p99 of operations, ms", lines: lines(({ p99 }) => p99, "driver") },
    { title: "store, MiB", lines: [{ name: "store", points: store }] },
  ]);
}

function calibrated({ calibration, load }: Run): string {
  if (calibration === undefined) return "- the rate was given\n";
  const { fullWindow, sustained, tried } = calibration;
  return `- that is ${percent(load)} of ${Math.round(sustained)} a second, the highest of the rates tried that the same processes kept for 20 seconds just before

With as much in flight as there may be they got ${Math.round(fullWindow)} a second done. A rate is kept when 99% of its operations
are begun when they are due:

| operations a second | kept | p99 |
|--:|--:|--:|
${tried.map(({ rate, keptShare: kept, p99 }) => `| ${Math.round(rate)} | ${(kept * 100).toFixed(1)}% | ${p99.toFixed(1)} ms |`).join("\n")}
`;
}

function row({ name, rss, growth, heap, external, descriptors, latency }: Half): string {
  const known = (bytes: number | undefined) => (bytes === undefined ? "" : inMib(bytes));
  return `| ${name} | ${inMib(rss)} | ${inMib(growth)} | ${known(heap)} | ${known(external)} | ${descriptors.join(" → ")} | ${latency} |`;
}

function secondHalf({ moments }: Run): readonly Moment[] {
  return moments.slice(Math.floor(moments.length / 2));
}

function halfSeconds(run: Run): number {
  const half = secondHalf(run);
  return (half.at(-1)?.seconds ?? 0) - (half[0]?.seconds ?? 0);
}

function halves(run: Run): readonly Half[] {
  const half = secondHalf(run);
  return run.names.map((name, at) => {
    const of = half.map(({ processes }) => processes[at] as Observed);
    const middle = (key: "rss" | "heapUsed" | "external" | "p50" | "p99") => {
      const known = of.flatMap((observed) => observed[key] ?? []);
      return known.length === 0 ? undefined : median(known);
    };
    const rss = half.map(({ seconds }, index) => [seconds, of[index]?.rss ?? 0] as const);
    const [p50 = 0, p99 = 0] = [middle("p50"), middle("p99")];
    return {
      name,
      rss: middle("rss") ?? 0,
      growth: slope(rss) * halfSeconds(run),
      heap: middle("heapUsed"),
      external: middle("external"),
      descriptors: [of[0]?.descriptors ?? 0, of.at(-1)?.descriptors ?? 0],
      latency: name.startsWith("driver") ? `${p50.toFixed(1)} / ${p99.toFixed(1)} ms` : "",
    };
  });
}

function totals({ last, moments }: Run) {
  const failures = moments.flatMap(({ processes }) => processes.flatMap((it) => it.failures ?? []));
  const total = { operations: 0, failed: 0, sent: 0, done: 0, published: 0, handled: 0, heard: 0 };
  for (const { counts, handled, heard, failures: of } of last.values()) {
    for (const key of ["operations", "failed", "sent", "done", "published"] as const) {
      total[key] += counts[key];
    }
    total.handled += handled;
    total.heard += heard;
    failures.push(...of);
  }
  return { ...total, failures };
}

function keptShare({ rate, behind, moments }: Run): number {
  return 1 - behind / (rate * (moments.at(-1)?.seconds ?? 0));
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))}%`;
}

function inMib(bytes: number): string {
  return (bytes / mib).toFixed(1);
}
