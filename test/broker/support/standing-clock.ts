/**
 * Time that passes only when a test says so: what was lost is given up at once, and what a slow machine
 * answers late is not. Timers run as ever, and the wall clock too.
 */
import { type Clock, systemClock } from "../../../src/runtime/clock.ts";

export interface StandingClock {
  readonly clock: Clock;
  /** So many milliseconds pass. */
  skip(ms: number): void;
}

export function standingClock(): StandingClock {
  let nowMs = systemClock.monotonicMs();
  return {
    clock: { ...systemClock, monotonicMs: () => nowMs },
    skip: (ms) => {
      nowMs += ms;
    },
  };
}
