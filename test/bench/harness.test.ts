import { expect, test } from "vitest";
import type { Workload } from "../../bench/catalogue.ts";
import { growthTable } from "../../bench/growth/table.ts";
import { cpuTimeOfTree } from "../../bench/harness/cpu-time.ts";
import { FanOut, reportEvery } from "../../bench/harness/fan-out.ts";
import { Latencies } from "../../bench/harness/latencies.ts";
import { keepInFlight } from "../../bench/harness/loops.ts";
import { payload } from "../../bench/harness/payload.ts";
import { measureWorkload } from "../../bench/harness/rounds.ts";
import { percentile, ratioSpread, spread } from "../../bench/harness/statistics.ts";
import { parseOptions } from "../../bench/options.ts";
import { formatPage } from "../../bench/report/markdown.ts";
import { tableOf, verdictsOf } from "../../bench/report/report.ts";
import { targetsTable } from "../../bench/report/targets.ts";
import { formatText } from "../../bench/report/text.ts";

const workload: Workload = {
  name: "write",
  title: "Write",
  operation: "A record is on disk.",
  unit: "operations/s",
  levels: [1, 4],
  subjects: [
    { name: "Colloquy", kind: "colloquy", module: subject("file-group-commit") },
    { name: "other", kind: "peer", module: subject("no-such-subject") },
  ],
  targets: [
    { kind: "ratio", level: 4, against: "other", atLeast: 2 },
    { kind: "latency", level: 4, against: "other", atMost: 0.5 },
  ],
};

test("the payload is 256 bytes of JSON", () => {
  expect(JSON.stringify(payload)).toHaveLength(256);
});

test("the median is the middle value, or the mean of the middle two", () => {
  expect(spread([30, 10, 20])).toEqual({ minimum: 10, median: 20, maximum: 30 });
  expect(spread([4, 1, 3, 2]).median).toBe(2.5);
  expect(spread([7])).toEqual({ minimum: 7, median: 7, maximum: 7 });
  expect(() => spread([])).toThrow(RangeError);
});

test("ratios are taken round by round, not of the medians", () => {
  expect(ratioSpread([10, 40, 90], [10, 20, 30])).toEqual({ minimum: 1, median: 2, maximum: 3 });
  expect(() => ratioSpread([1, 2], [1])).toThrow(RangeError);
});

test("a percentile is the smallest value that so many do not exceed", () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile(Float64Array.of(5), 0.01)).toBe(5);
});

test("latencies beyond the first capacity are kept, and told in microseconds", () => {
  const latencies = new Latencies();
  for (let index = 1; index <= 200_000; index++) latencies.add(index);
  expect(latencies.count).toBe(200_000);
  expect(latencies.summary()).toEqual({ p50Microseconds: 100e6, p99Microseconds: 198e6 });
});

test("as many operations as asked for are in flight, and no more", async () => {
  let inFlight = 0;
  let most = 0;
  // However short the time is, or the machine stands still.
  for (const durationMs of [0, 5]) {
    const sample = await keepInFlight(8, durationMs, async () => {
      most = Math.max(most, ++inFlight);
      await new Promise(setImmediate);
      inFlight -= 1;
    });
    expect(most).toBe(8);
    expect(inFlight).toBe(0);
    expect(sample.value).toBeGreaterThan(0);
  }
});

test("a subject is measured in every round, and one that fails is left out with its reason", async () => {
  const said: string[] = [];
  const { measurements, failures } = await measureWorkload(workload, workload.subjects, {
    rounds: 2,
    durationMs: 10,
    warmUpMs: 5,
    progress: (text) => said.push(text),
  });
  expect(said).toHaveLength(3);
  expect(failures).toMatchObject([{ workload: "write", subject: "other" }]);
  expect(measurements.map(({ level }) => level)).toEqual([1, 4]);
  for (const { subjects } of measurements) {
    expect(subjects.map(({ name, samples }) => [name, samples.length])).toEqual([["Colloquy", 2]]);
    for (const { value } of subjects.flatMap(({ samples }) => samples)) {
      expect(value).toBeGreaterThan(0);
    }
  }
});

test("a table shows spreads, latencies, ratios and whether the target was met", () => {
  const ours = { value: 300, latency: { p50Microseconds: 80, p99Microseconds: 1_500 } };
  const theirs = { value: 100, latency: { p50Microseconds: 100, p99Microseconds: 300 } };
  const measurement = {
    workload: "write",
    level: 4,
    subjects: [
      { name: "Colloquy", kind: "colloquy", samples: [ours, { ...ours, value: 2_500 }] },
      { name: "other", kind: "peer", samples: [theirs, { ...theirs, value: 1_000 }] },
    ],
  } as const;
  const table = tableOf(workload, measurement);
  expect(table.title).toBe("Write, 4 in flight (operations/s)");
  expect(table.rows).toEqual([
    ["Colloquy", "300", "1,400", "2,500", "80", "1,500", "", "", ""],
    ["other", "100", "550", "1,000", "100", "300", "2.75", "2.50", "3.00"],
  ]);
  const verdicts = verdictsOf(workload, measurement);
  expect(targetsTable(verdicts).rows).toEqual([
    ["Write, 4 in flight, against other", "at least 2", "2.75 (2.50 to 3.00)", "met"],
    ["Write, 4 in flight, p50, against other", "at most 0.5", "0.80", "missed"],
  ]);

  const [, header = "", , row = ""] = formatText(table).split("\n");
  expect(row.indexOf("2.75") + "2.75".length).toBe(header.indexOf(" it") + " it".length);
  expect(
    formatPage({
      date: "2026-01-02",
      command: "npm run bench",
      machine: {
        cores: 2,
        processor: "some",
        memoryGiB: 8,
        system: "linux x64",
        node: "24.0.0",
        load: 0.5,
      },
      sections: [{ title: workload.title, text: workload.operation, tables: [table] }],
      failures: [],
    }),
  ).toContain("| other | 100 | 550 | 1,000 | 100 | 300 | 2.75 | 2.50 | 3.00 |");
});

test("a growth table has a row for each level, with the cost beside that of the first", () => {
  const samples = { name: "Colloquy", kind: "colloquy" } as const;
  const table = growthTable(workload, [
    {
      workload: "write",
      level: 1,
      subjects: [{ ...samples, samples: [{ value: 2_000, cpuMicroseconds: 10 }] }],
    },
    {
      workload: "write",
      level: 100_000,
      subjects: [
        { ...samples, samples: [{ value: 800, cpuMicroseconds: 25, setUpMicroseconds: 3 }] },
      ],
    },
  ]);
  expect(table.rows).toEqual([
    ["1", "2,000", "", "", "10", "1.00", "", ""],
    ["100,000", "800", "", "", "25", "2.50", "", "3"],
  ]);
});

test("fan-out counts what subscribers report, and fails when they fall silent", async () => {
  const fanOut: FanOut = new FanOut(() => {
    if (++published % reportEvery === 0) setImmediate(() => fanOut.report({ subscriber: 0 }));
  });
  let published = 0;
  fanOut.add();
  const { value } = await fanOut.measure(5);
  expect(value).toBeGreaterThan(0);
  expect(published % reportEvery).toBe(0);

  const deaf = new FanOut(() => {}, 10);
  deaf.add();
  await expect(deaf.measure(1)).rejects.toThrow("received 0 of 4096");
});

test("the processor time of a tree of processes grows with what is done", () => {
  const before = cpuTimeOfTree(process.pid);
  // Not by the clock on the wall: this process may stand still for as long.
  const begun = process.cpuUsage();
  while (process.cpuUsage(begun).user < 60_000) JSON.stringify(payload);
  const after = cpuTimeOfTree(process.pid);
  if (process.platform !== "linux") expect(after).toBeUndefined();
  else expect(Number(after)).toBeGreaterThan(Number(before));
});

test("options choose workloads by the beginning of their names", () => {
  expect(parseOptions(["--help"])).toBeUndefined();
  expect(parseOptions(["--only", "request,idle"])?.workloads.map(({ name }) => name)).toEqual([
    "request-local",
    "request-remote",
    "idle-agents",
  ]);
  expect(parseOptions(["--seconds", "0.5", "--rounds", "3"])).toMatchObject({
    durationMs: 500,
    rounds: 3,
  });
  expect(parseOptions(["--peers"])).toMatchObject({ peers: true, rounds: 3, waiting: 10_000_000 });
  expect(parseOptions(["--growth", "--only", "agents"])).toMatchObject({
    growth: true,
    workloads: [{ name: "agents" }],
  });
  expect(() => parseOptions(["--only", "nothing"])).toThrow('no workload begins with "nothing"');
  expect(() => parseOptions(["--rounds", "1.5"])).toThrow("--rounds 1.5: not a whole number");
  expect(() => parseOptions(["--seconds", "soon"])).toThrow("--seconds soon: not a number");
});

function subject(name: string): URL {
  return new URL(`../../bench/subjects/${name}.ts`, import.meta.url);
}
