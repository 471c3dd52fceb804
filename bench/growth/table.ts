import type { Workload } from "../catalogue.ts";
import type { Measurement } from "../harness/rounds.ts";
import type { Table } from "../report/report.ts";

/** One row for each level: what one operation costs, and what one more of the kind did. */
export function growthTable(workload: Workload, measurements: readonly Measurement[]): Table {
  const { title, unit, levelName = "level" } = workload;
  const samples = measurements.flatMap(({ level, subjects }) =>
    subjects.flatMap(({ samples: [sample] }) => (sample === undefined ? [] : [{ level, sample }])),
  );
  const first = samples[0]?.sample.cpuMicroseconds;
  const rows = samples.map(({ level, sample }) => [
    level.toLocaleString("en-US"),
    figure(sample.value),
    figure(sample.latency?.p50Microseconds),
    figure(sample.latency?.p99Microseconds),
    figure(sample.cpuMicroseconds),
    sample.cpuMicroseconds === undefined || first === undefined
      ? ""
      : (sample.cpuMicroseconds / first).toFixed(2),
    figure(sample.memoryMiB),
    figure(sample.setUpMicroseconds),
  ]);
  return {
    title,
    columns: [
      levelName,
      unit,
      "p50 µs",
      "p99 µs",
      "CPU µs",
      "CPU, of the first",
      "MiB",
      "µs to add one",
    ],
    rows,
  };
}

function figure(value: number | undefined): string {
  if (value === undefined) return "";
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });
}
