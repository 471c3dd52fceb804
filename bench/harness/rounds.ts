/**
 * Rounds: in each, every subject of a workload is started afresh, warmed up, measured and ended, in
 * one order and then in the reverse. Latency on a machine of few cores is bimodal, and depends on
 * which process got which core, so each round draws again, for everybody.
 */
import type { SubjectEntry, Workload } from "../catalogue.ts";
import { type BenchProcess, startProcess } from "./process.ts";
import type { Sample } from "./subject.ts";

/** The samples of one workload at one of its levels. */
export interface Measurement {
  readonly workload: string;
  readonly level: number;
  readonly subjects: readonly SubjectSamples[];
}

export interface SubjectSamples {
  readonly name: string;
  readonly kind: SubjectEntry["kind"];
  /** One for each round. */
  readonly samples: readonly Sample[];
}

/** A subject that could not be measured, and is left out of the measurements. */
export interface Failure {
  readonly workload: string;
  readonly subject: string;
  readonly reason: string;
}

export interface RoundsOptions {
  readonly rounds: number;
  /** How long a subject is measured in one round, milliseconds. */
  readonly durationMs: number;
  /**
   * How long it works before, because a compiler needs seconds to see what is hot; a third of that
   * before a further level. Default: 3,000.
   */
  readonly warmUpMs?: number;
  /** Where the processes of Colloquy's subjects leave CPU profiles; absent for none. */
  readonly profileDirectory?: string;
  /** Told what is about to be measured. */
  readonly progress: (text: string) => void;
}

const driver = new URL("./driver.ts", import.meta.url);

export async function measureWorkload(
  workload: Workload,
  subjects: readonly SubjectEntry[],
  options: RoundsOptions,
): Promise<{
  readonly measurements: readonly Measurement[];
  readonly failures: readonly Failure[];
}> {
  const rounds = workload.rounds ?? options.rounds;
  const collected = new Map<SubjectEntry, Map<number, Sample[]>>();
  for (const subject of subjects) {
    collected.set(subject, new Map(workload.levels.map((level) => [level, []])));
  }
  const failures: Failure[] = [];

  for (let round = 1; round <= rounds; round++) {
    const present = [...collected.keys()];
    for (const subject of round % 2 === 1 ? present : present.reverse()) {
      options.progress(`${workload.title}, round ${round} of ${rounds}: ${subject.name}`);
      try {
        const samples = await measureSubject(workload, subject, options);
        for (const [level, sample] of samples) {
          collected.get(subject)?.get(level)?.push(sample);
        }
      } catch (error) {
        collected.delete(subject);
        failures.push({ workload: workload.name, subject: subject.name, reason: reasonOf(error) });
      }
    }
  }

  const measurements = workload.levels.map((level) => ({
    workload: workload.name,
    level,
    subjects: Array.from(collected, ([{ name, kind }, samples]) => ({
      name,
      kind,
      samples: samples.get(level) ?? [],
    })),
  }));
  return { measurements, failures };
}

async function measureSubject(
  workload: Workload,
  subject: SubjectEntry,
  { durationMs, warmUpMs = 3_000, profileDirectory }: RoundsOptions,
): Promise<ReadonlyMap<number, Sample>> {
  const profile =
    profileDirectory !== undefined && subject.kind === "colloquy"
      ? ["--cpu-prof", `--cpu-prof-dir=${profileDirectory}`]
      : [];
  const process = await startProcess(driver, [subject.module.href], profile);
  try {
    const samples = new Map<number, Sample>();
    for (const [index, level] of workload.levels.entries()) {
      const warming = index === 0 ? warmUpMs : warmUpMs / 3;
      if (workload.unit !== "bytes each") await measure(process, level, warming);
      samples.set(level, await measure(process, level, durationMs));
    }
    return samples;
  } finally {
    await process.stop();
  }
}

async function measure(process: BenchProcess, level: number, durationMs: number): Promise<Sample> {
  return (await process.ask({ level, durationMs })) as Sample;
}

/** The first line: what failed, not where. */
function reasonOf(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line;
}
