/**
 * Real timers, over the embedded store, by the real clock: how late they fire while everything is up,
 * while owners are killed, and how long what fell due while nobody was there takes.
 *
 *   npm run schedule [-- --timers 60000 --kills 10 --overdue 100000 --save]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join as joinPath } from "node:path";
import { parseArgs } from "node:util";
import { join } from "colloquy";
import { saveMeasured } from "./results/measured.ts";
import { Crew, type Firing } from "./schedule/crew.ts";
import { mailbox } from "./schedule/mailbox.ts";

const usage = `Usage: npm run schedule -- [options]

  --timers N      timers that fire while everything is up, and as many while owners are killed (default 60,000)
  --rate N        of them, sent in a second (default 1,000)
  --kills N       owners killed meanwhile (default 10)
  --overdue N     timers that fall due while nobody is there (default 100,000)
  --save          write the measured part of docs/results/schedule.md
  --help

Exits with 0 when every goal was reached, 1 when one was missed, 2 for wrong usage.
`;

const page = "docs/results/schedule.md";
/** Goals. */
const lateMsMax = 100;
const overdueMsMax = 5_000;
const overduePer = 100_000;
/** Of the page, where there is none yet. */
const head = `# Schedule

How late messages with \`deliverAt\` are, by the real clock: from their time to the start of their handler,
in another process. [Promise G7](../promises.md#g7-schedule-in-part) has the goals: 99 of 100 at most ${lateMsMax} ms
late while everything is up, what is overdue after a restart within ${overdueMsMax / 1_000} seconds for each ${overduePer.toLocaleString("en")}.`;

const { values } = parseArgs({
  options: {
    timers: { type: "string", default: "60000" },
    rate: { type: "string", default: "1000" },
    kills: { type: "string", default: "10" },
    overdue: { type: "string", default: "100000" },
    save: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const timers = wholeNumber("timers", values.timers, 1);
const rate = wholeNumber("rate", values.rate, 1);
const kills = wholeNumber("kills", values.kills, 0);
const overdue = wholeNumber("overdue", values.overdue, 1);
const loadBefore = loadavg()[0] as number;
const root = mkdtempSync(joinPath(tmpdir(), "colloquy-schedule-"));
const misses: string[] = [];

interface Books {
  readonly early: number;
  readonly lost: number;
  readonly doubled: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface Overdue {
  readonly firstMs: number;
  readonly lastMs: number;
}

try {
  const up = await steady("up", 0);
  if (up.p99 > lateMsMax) misses.push(`p99 is ${up.p99} ms late, not ${lateMsMax}`);
  const killed = await steady("killed", kills);
  const plain = await fallenDue("plain", 0);
  const keyed = await fallenDue("keyed", 1_000);
  const text = document(up, killed, plain, keyed);
  process.stdout.write(text);
  if (values.save) saveMeasured(page, { command: "npm run schedule -- --save", head, text });
  for (const miss of misses) process.stdout.write(`MISSED: ${miss}\n`);
  process.exitCode = misses.length === 0 ? 0 : 1;
} finally {
  rmSync(root, { recursive: true, force: true });
}

/** Timers are sent and fire all the while; owners are killed at even distances. */
async function steady(name: string, killsWanted: number): Promise<Books> {
  const directory = joinPath(root, name);
  const crew = new Crew(directory, true);
  try {
    for (let count = 0; count < 3; count++) await crew.addWorker();
    const due = { delayMs: [50, 10_000] } as const;
    await crew.addSender({ from: 0, to: timers, due, perSecond: rate, keys: 0 });
    let killed = 0;
    const everybody = () => new Set(crew.firings.map(({ number }) => number)).size === timers;
    while (crew.sent < timers || crew.firings.length < timers || !everybody()) {
      await pause(100);
      if (crew.sent >= (timers * (killed + 0.5)) / killsWanted && killed < killsWanted) {
        if (await crew.killOwner()) killed++;
        show(`${name}: ${killed} of ${killsWanted} killed, ${crew.firings.length} fired`);
      }
      if (crew.sent >= timers && (await settled(directory))) break;
    }
    // What they have to tell is told every 20 ms.
    await pause(500);
  } finally {
    await crew.killAll();
  }
  const books = await keepBooks(directory, crew.firings);
  for (const wrong of ["early", "lost", "doubled"] as const) {
    if (books[wrong] > 0) misses.push(`${name}: ${books[wrong]} ${wrong}`);
  }
  return books;
}

/** Nothing waits any more. */
async function settled(directory: string): Promise<boolean> {
  const net = await join(`embedded:${directory}`, { drainOnSignals: false });
  try {
    const mailboxes = await net.mailboxes.list();
    return mailboxes.every(({ waiting }) => waiting === 0);
  } finally {
    await net.close();
  }
}

/** Handlers may be started again when their process was killed; their effects count. */
async function keepBooks(directory: string, firings: readonly Firing[]): Promise<Books> {
  const counts = new Map<number, number>();
  const net = await join(`embedded:${directory}`, { drainOnSignals: false });
  for await (const { value } of net.log.read("fired")) {
    counts.set(value as number, (counts.get(value as number) ?? 0) + 1);
  }
  await net.close();
  const late = firings.map(({ dueMs, atMs }) => atMs - dueMs).toSorted((a, b) => a - b);
  const quantile = (share: number) =>
    late[Math.min(late.length - 1, Math.floor(share * late.length))] as number;
  return {
    early: late.filter((ms) => ms < 0).length,
    lost: Array.from({ length: timers }, (_, number) => number).filter((it) => !counts.has(it))
      .length,
    doubled: [...counts.values()].filter((count) => count > 1).length,
    p50: quantile(0.5),
    p99: quantile(0.99),
    max: quantile(1),
  };
}

/** Sent by a process that is killed; when all are due another one comes. Time runs from its start. */
async function fallenDue(name: string, keys: number): Promise<Overdue> {
  for (let aheadMs = 5_000 + overdue / 10; ; aheadMs *= 2) {
    const directory = joinPath(root, `${name}-${aheadMs}`);
    const crew = new Crew(directory, false);
    try {
      await declare(directory);
      const atMs = Date.now() + aheadMs;
      await crew.addSender({ from: 0, to: overdue, due: { atMs }, perSecond: 0, keys });
      while (crew.sent < overdue) await pause(20);
      // Nothing may be due before everything is sent.
      const inTime = Date.now() < atMs;
      await crew.killAll();
      if (!inTime) continue;
      await pause(atMs + 500 - Date.now());
      return await firesLate(name, crew);
    } finally {
      await crew.killAll();
    }
  }
}

async function declare(directory: string): Promise<void> {
  const net = await join(`embedded:${directory}`, { drainOnSignals: false });
  await net.mailboxes.declare(mailbox);
  await net.close();
}

async function firesLate(name: string, crew: Crew): Promise<Overdue> {
  const startedMs = Date.now();
  await crew.addWorker();
  while (crew.firings.length < overdue) await pause(20);
  const times = crew.firings.map((firing) => firing.atMs - startedMs);
  const firstMs = times.reduce((least, each) => Math.min(least, each));
  const lastMs = times.reduce((most, each) => Math.max(most, each));
  const goalMs = overdueMsMax * Math.max(1, overdue / overduePer);
  if (lastMs > goalMs) misses.push(`${name}: the last overdue one fired after ${lastMs} ms`);
  show(`${name}: ${overdue} overdue timers in ${lastMs} ms`);
  return { firstMs, lastMs };
}

function document(up: Books, killed: Books, plain: Overdue, keyed: Overdue): string {
  const row = (what: string, { p50, p99, max, early, lost, doubled }: Books) =>
    `| ${what} | ${p50} ms | ${p99} ms | ${max} ms | ${early} | ${lost} | ${doubled} |`;
  const overdueRow = (what: string, { firstMs, lastMs }: Overdue) =>
    `| ${what} | ${firstMs} ms | ${lastMs} ms |`;
  const count = (number: number) => number.toLocaleString("en");
  const processor = `${cpus().length} processors (${cpus()[0]?.model ?? "unknown"})`;
  return `${count(timers)} timers, ${count(rate)} a second, due 50 ms to 10 seconds after they were sent; each leaves an effect. Three
workers and a sender share a directory.

| | p50 | p99 | latest | early | lost | effects doubled |
|---|--:|--:|--:|--:|--:|--:|
${row("everything is up", up)}
${row(`${kills} owners killed meanwhile`, killed)}

${count(overdue)} timers were sent by a process that was killed, and fell due while nobody was there. Then a worker is
started. From its start, which takes a while itself, and the second of grace after an unclean end included:

| | the first fires | the last fires |
|---|--:|--:|
${overdueRow("without keys", plain)}
${overdueRow("1,000 keys, one at a time each", keyed)}

- ${new Date().toISOString().slice(0, 10)}, \`npm run schedule -- --timers ${timers} --rate ${rate} --kills ${kills} --overdue ${overdue}\`, from sources
- ${processor}, ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.version}, ${process.platform}
- load average before it began: ${loadBefore.toFixed(1)}; an idle machine has 0
- Clocks that jump are not in it: [the simulator](../testing.md#a-whole-fabric-under-faults) has them.
`;
}

function show(text: string): void {
  process.stderr.write(`${text}\n`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  process.stderr.write(`--${option}: ${text} is not a whole number, ${least} or more\n\n${usage}`);
  process.exit(2);
}
