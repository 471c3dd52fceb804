/**
 * What the handlers of one agent have done so far, and how long the latest of them took. Every end is
 * counted; so that it costs the busiest nothing, of many starts only some are measured.
 */
import type { Clock } from "../runtime/clock.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

export interface ActivityFigures {
  /** Handlers that have returned, and streams that have ended, since the agent came into being. */
  readonly handled: number;
  /** Handlers that have thrown. */
  readonly failed: number;
  /** From start to end of a handler, milliseconds, of the latest 10 to 20 seconds; undefined when none ended. */
  readonly averageMs: number | undefined;
  /** The same; up to 10% too much, never too little. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

const windowMs = 10_000;
/** Measured in one window before fewer are. */
const measuredMax = 1_000;
const unmeasured = -1;

export class Activity {
  readonly #clock: Clock;
  #ended = 0;
  #failed = 0;
  /** Starts until the next one that is measured; every `#stride`th is. */
  #skip = 1;
  #stride = 1;
  #windowStartMs = 0;
  #endedBefore = 0;
  #latest = new LatencyHistogram();
  #previous = new LatencyHistogram();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A handler starts. @returns what `end` is to be told. */
  begin(): number {
    if (--this.#skip > 0) return unmeasured;
    this.#skip = this.#stride;
    return this.#clock.monotonicMs();
  }

  end(began: number, failed: boolean): void {
    this.#ended++;
    if (!failed && began === unmeasured) return;
    if (failed) this.#failed++;
    if (began !== unmeasured) this.#measure(began);
  }

  get figures(): ActivityFigures {
    this.#turn(this.#clock.monotonicMs());
    const { averageMs, p50Ms, p99Ms } = this.#latest.with(this.#previous);
    const handled = this.#ended - this.#failed;
    return { handled, failed: this.#failed, averageMs, p50Ms, p99Ms };
  }

  #measure(beganMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#turn(nowMs);
    this.#latest.add(nowMs - beganMs);
    if (this.#latest.count % measuredMax === 0) this.#stride *= 2;
  }

  /** Forgets what is too old. */
  #turn(nowMs: number): void {
    const ageMs = nowMs - this.#windowStartMs;
    if (ageMs < windowMs) return;
    this.#stride = Math.max(1, Math.floor((this.#ended - this.#endedBefore) / measuredMax));
    this.#skip = Math.min(this.#skip, this.#stride);
    this.#endedBefore = this.#ended;
    this.#windowStartMs = nowMs;
    const oldest = this.#previous;
    this.#previous = ageMs < 2 * windowMs ? this.#latest : new LatencyHistogram();
    this.#latest = oldest.cleared();
  }
}

/** Of an agent that has done nothing yet. */
export const noActivity: ActivityFigures = Object.freeze({
  handled: 0,
  failed: 0,
  averageMs: undefined,
  p50Ms: undefined,
  p99Ms: undefined,
});
