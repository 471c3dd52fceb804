/** `npm run bench`: measures Colloquy beside its peers and its floors. `--help` says how. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Need, SubjectEntry, Workload } from "./catalogue.ts";
import { growthTable } from "./growth/table.ts";
import { describeMachine } from "./harness/machine.ts";
import { type Failure, type Measurement, measureWorkload } from "./harness/rounds.ts";
import { tellMessagesWaiting } from "./harness/waiting.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { installPackages } from "./peers/install.ts";
import { formatPage, type Section } from "./report/markdown.ts";
import { tableOf, type Verdict, verdictsOf } from "./report/report.ts";
import { targetsTable } from "./report/targets.ts";
import { formatText } from "./report/text.ts";
import { installServers, missingServers } from "./servers/install.ts";
import { measureSlowSubscribers, operation, title } from "./slow/slow-subscribers.ts";

const exitCodes = { done: 0, failed: 1, wrongUsage: 2 } as const;

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions | undefined;
  try {
    options = parseOptions(args);
  } catch (error) {
    process.stderr.write(`${String(error)}\n\n${usage}`);
    return exitCodes.wrongUsage;
  }
  if (options === undefined) {
    process.stdout.write(usage);
    return exitCodes.done;
  }
  if (options.install) return install();
  if (options.slowSubscribers) return runSlowSubscribers(options, args);
  return runBench(options, args);
}

async function runSlowSubscribers(options: BenchOptions, args: readonly string[]): Promise<number> {
  const date = new Date().toISOString().slice(0, 10);
  const machine = describeMachine();
  const { tables, met } = await measureSlowSubscribers({ ...options, progress });
  process.stdout.write(tables.map(formatText).join("\n"));
  if (options.save) {
    const command = ["npm run bench", "--", ...args].join(" ");
    const sections = [{ title, text: operation, tables }];
    const page = formatPage({ date, command, machine, sections, failures: [] });
    writeTo(inBench("../docs/results/slow-subscribers.md"), page);
  }
  return met ? exitCodes.done : exitCodes.failed;
}

async function install(): Promise<number> {
  const packages = await installPackages();
  if (packages !== undefined) progress(packages);
  const missing = await installServers(progress);
  for (const server of missing) progress(`Missing: ${server}`);
  return packages === undefined && missing.length === 0 ? exitCodes.done : exitCodes.failed;
}

async function runBench(options: BenchOptions, args: readonly string[]): Promise<number> {
  const startedAt = new Date();
  const machine = describeMachine();
  tellMessagesWaiting(options.waiting);
  const missing = await findMissing(options.workloads);
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  const sections: Section[] = [];
  const verdicts: Verdict[] = [];

  for (const workload of options.workloads) {
    const wanted = workload.subjects.filter(
      ({ only }) => only === undefined || (only === "with-peers") === options.peers,
    );
    const subjects = wanted.filter((subject) => lacks(subject, missing) === undefined);
    const measured = await measureWorkload(workload, subjects, { ...options, progress });
    const complete = measured.measurements.filter(({ subjects }) => subjects.length > 0);
    const tables = options.growth
      ? [growthTable(workload, complete)]
      : complete.map((measurement) => tableOf(workload, measurement));
    process.stdout.write(`${tables.map(formatText).join("\n")}\n`);
    measurements.push(...measured.measurements);
    failures.push(...measured.failures, ...absences(workload, wanted, missing));
    sections.push({ title: workload.title, text: workload.operation, tables });
    verdicts.push(...complete.flatMap((measurement) => verdictsOf(workload, measurement)));
  }
  if (verdicts.length > 0) process.stdout.write(formatText(targetsTable(verdicts)));
  for (const { workload, subject, reason } of failures) {
    process.stdout.write(`Not measured: ${subject} in ${workload}: ${reason}\n`);
  }

  const json =
    options.json ?? inBench(`results/${startedAt.toISOString().replaceAll(":", "-")}.json`);
  const { rounds, durationMs } = options;
  const report = { startedAt, machine, rounds, durationMs, measurements, failures };
  writeTo(json, `${JSON.stringify(report, undefined, 2)}\n`);
  if (options.save) {
    const date = startedAt.toISOString().slice(0, 10);
    const command = ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" ");
    const targets = { title: "Targets", tables: [targetsTable(verdicts)] };
    const page = formatPage({
      date,
      command,
      machine,
      sections: options.growth ? sections : [targets, ...sections],
      failures,
    });
    const name = options.growth ? "growth" : options.brokers ? "brokers" : "bench";
    writeTo(inBench(`../docs/results/${name}-${date}.md`), page);
  }
  return failures.some(isOurs) ? exitCodes.failed : exitCodes.done;
}

/** What the chosen workloads need and this machine does not have, with the reason. */
async function findMissing(chosen: readonly Workload[]): Promise<ReadonlyMap<Need, string>> {
  const needs = new Set(
    chosen.flatMap(({ subjects }) => subjects.flatMap((subject) => subject.needs ?? [])),
  );
  const missing = new Map<Need, string>();
  const packages = needs.has("packages") ? await installPackages() : undefined;
  if (packages !== undefined) missing.set("packages", packages);
  for (const server of missingServers()) {
    missing.set(server, `no ${server} here; npm run bench -- --install tries to change that`);
  }
  return missing;
}

function lacks(subject: SubjectEntry, missing: ReadonlyMap<Need, string>): string | undefined {
  const need = subject.needs?.find((candidate) => missing.has(candidate));
  return need === undefined ? undefined : missing.get(need);
}

function absences(
  workload: Workload,
  wanted: readonly SubjectEntry[],
  missing: ReadonlyMap<Need, string>,
): readonly Failure[] {
  return wanted.flatMap((subject) => {
    const reason = lacks(subject, missing);
    return reason === undefined ? [] : [{ workload: workload.name, subject: subject.name, reason }];
  });
}

function isOurs({ subject }: Failure): boolean {
  return subject.startsWith("Colloquy");
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function inBench(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

function writeTo(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  progress(`Written: ${path}`);
}

process.exitCode = await main(process.argv.slice(2));
