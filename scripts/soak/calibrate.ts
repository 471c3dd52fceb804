/**
 * The highest rate that the drivers keep for a while: an upper bound first, with as much in flight as
 * there may be, then shares of it at a steady pace, from above, until one is kept.
 */
import type { Member, ProcessSample } from "./members.ts";

export interface Calibration {
  /** With as much in flight as there may be, operations a second. */
  readonly fullWindow: number;
  /** The highest of the rates tried that was kept. */
  readonly sustained: number;
  readonly tried: readonly Trial[];
}

export interface Trial {
  readonly rate: number;
  /** Of its operations, those that were begun when they were due. */
  readonly keptShare: number;
  readonly p99: number;
}

const fullWindowMs = 10_000;
const settleMs = 5_000;
const trialMs = 20_000;
const keptShareMin = 0.99;
const shares = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];

/** @throws when not even a tenth of the upper bound is kept. */
export async function calibrate(drivers: readonly Member[]): Promise<Calibration> {
  for (const driver of drivers) driver.drive(null);
  await pause(settleMs);
  const full = await during(drivers, fullWindowMs);
  const fullWindow = (full.operations * 1_000) / full.ms;
  console.log(`${Math.round(fullWindow)} operations a second with a full window`);
  const tried: Trial[] = [];
  for (const share of shares) {
    const rate = fullWindow * share;
    for (const driver of drivers) driver.drive(rate / drivers.length);
    await pause(settleMs);
    const { ms, behind, p99 } = await during(drivers, trialMs);
    const keptShare = 1 - behind / ((rate * ms) / 1_000);
    tried.push({ rate, keptShare, p99 });
    console.log(
      `${Math.round(rate)} a second: ${(keptShare * 100).toFixed(1)}% kept, p99 ${p99.toFixed(1)} ms`,
    );
    if (keptShare >= keptShareMin) return { fullWindow, sustained: rate, tried };
  }
  throw new Error(`not even ${Math.round(tried.at(-1)?.rate ?? 0)} operations a second were kept`);
}

async function during(drivers: readonly Member[], ms: number) {
  const sample = () => Promise.all(drivers.map((driver) => driver.sample()));
  const beganMs = performance.now();
  const before = await sample();
  await pause(ms);
  const after = await sample();
  const sum = (samples: readonly ProcessSample[], key: "operations" | "behind") =>
    samples.reduce((total, { counts }) => total + counts[key], 0);
  return {
    ms: performance.now() - beganMs,
    operations: sum(after, "operations") - sum(before, "operations"),
    behind: sum(after, "behind") - sum(before, "behind"),
    p99: Math.max(...after.map(({ p99 }) => p99)),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
