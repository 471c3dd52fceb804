/** `npm run bench`: measures Colloquy beside its peers and its floors. `--help` says how. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Need, SubjectEntry, Workload } from "./catalogue.ts";
import { describeMachine } from "./harness/machine.ts";
import { type Failure, type Measurement, measureWorkload } from "./harness/rounds.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { installPackages } from "./peers/install.ts";
import { findRedisServer } from "./peers/redis.ts";
import { formatPage, type Page } from "./report/markdown.ts";
import { tableOf } from "./report/report.ts";
import { formatText } from "./report/text.ts";

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
  return runBench(options, args);
}

async function runBench(options: BenchOptions, args: readonly string[]): Promise<number> {
  const startedAt = new Date();
  const machine = describeMachine();
  const missing = await findMissing(options.workloads);
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  const sections: Page["sections"][number][] = [];

  for (const workload of options.workloads) {
    const subjects = workload.subjects.filter((subject) => !lacks(subject, missing));
    const measured = await measureWorkload(workload, subjects, { ...options, progress });
    const tables = measured.measurements
      .filter((measurement) => measurement.subjects.length > 0)
      .map((measurement) => tableOf(workload, measurement));
    process.stdout.write(`${tables.map(formatText).join("\n")}\n`);
    measurements.push(...measured.measurements);
    failures.push(...measured.failures, ...absences(workload, missing));
    sections.push({ workload, tables });
  }
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
    const page = formatPage({ date, command, machine, sections, failures });
    writeTo(inBench(`../docs/results/bench-${date}.md`), page);
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
  if (findRedisServer() === undefined) missing.set("redis-server", "no redis-server on PATH");
  return missing;
}

function lacks(subject: SubjectEntry, missing: ReadonlyMap<Need, string>): string | undefined {
  const need = subject.needs?.find((candidate) => missing.has(candidate));
  return need === undefined ? undefined : missing.get(need);
}

function absences(workload: Workload, missing: ReadonlyMap<Need, string>): readonly Failure[] {
  return workload.subjects.flatMap((subject) => {
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
