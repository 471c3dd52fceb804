/** From samples to what is shown: a table per workload and number in flight, and how targets fared. */
import type { Target, Workload } from "../catalogue.ts";
import type { Measurement, SubjectSamples } from "../harness/rounds.ts";
import { ratioSpread, type Spread, spread } from "../harness/statistics.ts";
import type { Sample } from "../harness/subject.ts";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  /** The first cell is the subject; figures follow. */
  readonly rows: readonly (readonly string[])[];
}

/** How a target fared. */
export interface Verdict {
  /** What was compared with what, in words. */
  readonly work: string;
  readonly target: string;
  readonly seen: string;
  readonly met: boolean;
}

export function tableOf(workload: Workload, measurement: Measurement): Table {
  const { subjects, level } = measurement;
  const ours = subjects.find(({ kind }) => kind === "colloquy");
  const all = subjects.flatMap(({ samples }) => samples);
  const hasLatency = all.some(({ latency }) => latency);
  const hasCpu = workload.unit !== "bytes each" && all.some((sample) => sample.cpuMicroseconds);
  const hasMemory = all.some(({ memoryMiB }) => memoryMiB);
  const hasRatio = ours !== undefined && subjects.length > 1;
  const columns = ["", "minimum", "median", "maximum"];
  if (hasLatency) columns.push("p50 µs", "p99 µs");
  if (hasCpu) columns.push("CPU µs");
  if (hasMemory) columns.push("MiB");
  if (hasRatio) columns.push("Colloquy / it", "from", "to");

  const rows = subjects.map((subject) => {
    const cells = [subject.name, ...spreadCells(spread(valuesOf(subject)))];
    if (hasLatency) cells.push(medianCell(subject, ({ latency }) => latency?.p50Microseconds));
    if (hasLatency) cells.push(medianCell(subject, ({ latency }) => latency?.p99Microseconds));
    if (hasCpu) cells.push(medianCell(subject, ({ cpuMicroseconds }) => cpuMicroseconds));
    if (hasMemory) cells.push(medianCell(subject, ({ memoryMiB }) => memoryMiB));
    if (hasRatio) cells.push(...ratioCells(ours, subject));
    return cells;
  });
  return {
    title: `${workload.title}${levelOf(workload, level)} (${workload.unit})`,
    columns,
    rows,
  };
}

/** Of the targets of which both sides were measured. */
export function verdictsOf(workload: Workload, measurement: Measurement): readonly Verdict[] {
  return workload.targets.flatMap((target) => verdictOf(workload, target, measurement) ?? []);
}

function verdictOf(
  workload: Workload,
  target: Target,
  { subjects, level }: Measurement,
): Verdict | undefined {
  const ours = subjects.find(({ kind }) => kind === "colloquy");
  if (ours === undefined) return undefined;
  const work = `${workload.title}${levelOf(workload, level)}`;
  if (target.kind === "limit") {
    const { maximum } = spread(valuesOf(ours));
    return atMost(`${work}, ${workload.unit}`, target.atMost, maximum, figure);
  }
  if (target.kind === "memory") {
    const { maximum } = spread(ours.samples.flatMap(({ memoryMiB }) => memoryMiB ?? []));
    return atMost(`${work}, memory of the owner, MiB`, target.atMostMiB, maximum, figure);
  }
  const other = subjects.find(({ name }) => name === target.against);
  if (other === undefined || target.level !== level) return undefined;
  if (target.kind === "latency") {
    const { median } = ratioSpread(mediansOf(ours), mediansOf(other));
    return atMost(`${work}, p50, against ${other.name}`, target.atMost, median, ratio);
  }
  const { minimum, median, maximum } = ratioSpread(valuesOf(ours), valuesOf(other));
  return {
    work: `${work}, against ${other.name}`,
    target: `at least ${target.atLeast}`,
    seen: `${ratio(median)} (${ratio(minimum)} to ${ratio(maximum)})`,
    met: median >= target.atLeast,
  };
}

function atMost(
  work: string,
  limit: number,
  seen: number,
  format: (value: number) => string,
): Verdict {
  return {
    work,
    target: `at most ${limit.toLocaleString("en-US")}`,
    seen: format(seen),
    met: seen <= limit,
  };
}

function levelOf({ levels, levelName = "in flight" }: Workload, level: number): string {
  return levels.length > 1 ? `, ${level} ${levelName}` : "";
}

function mediansOf({ samples }: SubjectSamples): readonly number[] {
  return samples.flatMap(({ latency }) => latency?.p50Microseconds ?? []);
}

/** @returns "" where no sample has it. */
function medianCell(
  { samples }: SubjectSamples,
  pick: (sample: Sample) => number | undefined,
): string {
  const values = samples.flatMap((sample) => pick(sample) ?? []);
  return values.length === 0 ? "" : figure(spread(values).median);
}

function ratio(value: number): string {
  return value.toFixed(2);
}

function valuesOf({ samples }: SubjectSamples): readonly number[] {
  return samples.map(({ value }) => value);
}

function spreadCells({ minimum, median, maximum }: Spread): readonly string[] {
  return [figure(minimum), figure(median), figure(maximum)];
}

function ratioCells(ours: SubjectSamples, other: SubjectSamples): readonly string[] {
  if (ours === other) return ["", "", ""];
  const { minimum, median, maximum } = ratioSpread(valuesOf(ours), valuesOf(other));
  return [median, minimum, maximum].map(ratio);
}

function figure(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });
}
