/** From samples to what is shown: a table per workload and number in flight, and how targets fared. */
import type { Target, Workload } from "../catalogue.ts";
import type { Measurement, SubjectSamples } from "../harness/rounds.ts";
import { ratioSpread, type Spread, spread } from "../harness/statistics.ts";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  /** The first cell is the subject; figures follow. */
  readonly rows: readonly (readonly string[])[];
  /** One sentence for each target. */
  readonly verdicts: readonly string[];
}

export function tableOf(workload: Workload, measurement: Measurement): Table {
  const { subjects, inFlight } = measurement;
  const ours = subjects.find(({ kind }) => kind === "colloquy");
  const hasLatency = subjects.some(({ samples }) => samples.some(({ latency }) => latency));
  const hasRatio = ours !== undefined && subjects.length > 1;
  const columns = ["", "minimum", "median", "maximum"];
  if (hasLatency) columns.push("p50 µs", "p99 µs");
  if (hasRatio) columns.push("Colloquy / it", "from", "to");

  const rows = subjects.map((subject) => {
    const cells = [subject.name, ...spreadCells(spread(valuesOf(subject)))];
    if (hasLatency) cells.push(...latencyCells(subject));
    if (hasRatio) cells.push(...ratioCells(ours, subject));
    return cells;
  });
  const level = workload.inFlight.length > 1 ? `, ${inFlight} in flight` : "";
  return {
    title: `${workload.title}${level} (${workload.unit})`,
    columns,
    rows,
    verdicts: workload.targets.flatMap((target) => verdictOf(target, measurement)),
  };
}

/** None where the target is of another measurement, or a side of it was not measured. */
function verdictOf(target: Target, { subjects, inFlight }: Measurement): readonly string[] {
  const ours = subjects.find(({ kind }) => kind === "colloquy");
  if (ours === undefined) return [];
  if (target.kind === "limit") {
    const { maximum } = spread(valuesOf(ours));
    const met = maximum <= target.atMost;
    return [`Target at most ${target.atMost}: ${met ? "met" : `missed at ${figure(maximum)}`}.`];
  }
  const other = subjects.find(({ name }) => name === target.against);
  if (other === undefined || target.inFlight !== inFlight) return [];
  const { median } = ratioSpread(valuesOf(ours), valuesOf(other));
  const met = median >= target.atLeast;
  const wanted = target.wanted === undefined ? "" : `, ${target.wanted} wanted`;
  return [
    `Target at least ${target.atLeast} times ${target.against}${wanted}: ${met ? "met" : "missed"} at ${median.toFixed(2)}.`,
  ];
}

function valuesOf({ samples }: SubjectSamples): readonly number[] {
  return samples.map(({ value }) => value);
}

function spreadCells({ minimum, median, maximum }: Spread): readonly string[] {
  return [figure(minimum), figure(median), figure(maximum)];
}

/** The medians over the rounds. */
function latencyCells({ samples }: SubjectSamples): readonly string[] {
  const latencies = samples.flatMap(({ latency }) => latency ?? []);
  if (latencies.length === 0) return ["", ""];
  return [
    figure(spread(latencies.map(({ p50Microseconds }) => p50Microseconds)).median),
    figure(spread(latencies.map(({ p99Microseconds }) => p99Microseconds)).median),
  ];
}

function ratioCells(ours: SubjectSamples, other: SubjectSamples): readonly string[] {
  if (ours === other) return ["", "", ""];
  const { minimum, median, maximum } = ratioSpread(valuesOf(ours), valuesOf(other));
  return [median, minimum, maximum].map((ratio) => ratio.toFixed(2));
}

function figure(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });
}
