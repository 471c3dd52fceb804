/** Operations as fast as they go, so many at a time, and how long each took. */
import { LatencyHistogram } from "../../exchange/latency-histogram.ts";
import { throwIfAborted } from "../../runtime/abort.ts";
import { systemClock } from "../../runtime/clock.ts";

export interface Measured {
  readonly perSecond: number;
  readonly averageMs: number | undefined;
  /** Up to 10% too much. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

export interface MeasureOptions {
  /** Under way at a time. */
  readonly inFlight: number;
  readonly durationMs: number;
  readonly signal: AbortSignal;
}

/** Part of the duration that goes by before anything counts. */
const warmUpShare = 0.2;

export async function measure(
  operation: () => Promise<unknown>,
  { inFlight, durationMs, signal }: MeasureOptions,
): Promise<Measured> {
  const startMs = systemClock.monotonicMs();
  const countFromMs = startMs + warmUpShare * durationMs;
  const endMs = countFromMs + durationMs;
  const latencies = new LatencyHistogram();
  const loop = async () => {
    for (let beganMs = startMs; beganMs < endMs; ) {
      throwIfAborted(signal);
      await operation();
      const nowMs = systemClock.monotonicMs();
      if (nowMs >= countFromMs) latencies.add(nowMs - beganMs);
      beganMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const seconds = (systemClock.monotonicMs() - countFromMs) / 1_000;
  return { perSecond: latencies.count / seconds, ...latencies.with(new LatencyHistogram()) };
}
