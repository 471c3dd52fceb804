/** The loops that every subject of a workload runs, so that none is measured by another yardstick. */
import { setImmediate } from "node:timers/promises";
import { Latencies } from "./latencies.ts";
import type { Sample } from "./subject.ts";

/** Repetitions between two readings of the clock, where an operation takes less than a microsecond. */
const batchSize = 512;

/** `inFlight` loops, each beginning its next operation when its last one has completed. */
export async function keepInFlight(
  inFlight: number,
  durationMs: number,
  operation: () => Promise<unknown>,
): Promise<Sample> {
  const latencies = new Latencies();
  const startMs = performance.now();
  const endMs = startMs + durationMs;

  const loop = async (): Promise<void> => {
    let begunMs = performance.now();
    // Once at least, however slow the machine is just then.
    do {
      await operation();
      const completedMs = performance.now();
      latencies.add(completedMs - begunMs);
      begunMs = completedMs;
    } while (begunMs < endMs);
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const elapsedMs = performance.now() - startMs;
  return { value: (latencies.count / elapsedMs) * 1_000, latency: latencies.summary() };
}

/** One operation after the other, without a clock around each. */
export async function oneAfterTheOther(
  durationMs: number,
  operation: () => Promise<unknown>,
): Promise<Sample> {
  return inBatches(durationMs, async () => {
    for (let index = 0; index < batchSize; index++) await operation();
  });
}

/**
 * Batches of operations that are begun without waiting; `delivered` says how many have completed
 * since the beginning of time, and a batch is over when all of it has.
 */
export async function inBursts(
  durationMs: number,
  begin: () => void,
  delivered: () => number,
): Promise<Sample> {
  return inBatches(durationMs, async () => {
    const expected = delivered() + batchSize;
    for (let index = 0; index < batchSize; index++) begin();
    while (delivered() < expected) await setImmediate();
  });
}

async function inBatches(durationMs: number, runBatch: () => Promise<void>): Promise<Sample> {
  const startMs = performance.now();
  let operations = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    await runBatch();
    operations += batchSize;
    elapsedMs = performance.now() - startMs;
  }
  return { value: (operations / elapsedMs) * 1_000 };
}
