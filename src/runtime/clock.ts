/**
 * Time, as everything in Colloquy sees it. Nothing outside this folder reads the real clock or sets
 * a real timer: a `Clock` is handed in, and the simulator hands in its own.
 */
export interface Clock {
  /** Wall clock, whole milliseconds since 1970. May jump; for stamps that others read. */
  nowMs(): number;
  /** Milliseconds, fractional, from an arbitrary origin. Never goes back; for durations. */
  monotonicMs(): number;
  /** Runs `run` once, `delayMs` from now, 0 or more; any finite length is allowed. Does not keep the process alive. */
  setTimer(delayMs: number, run: () => void): Timer;
  /** Runs `run` after the I/O that is already waiting: what collects a burst into one group. */
  defer(run: () => void): void;
}

export interface Timer {
  /** Safe to repeat, and after the timer has run. */
  cancel(): void;
}

/** Node fires a longer timeout at once. */
const timeoutMsMax = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #handle: ReturnType<typeof setTimeout>;

  constructor(delayMs: number, run: () => void) {
    this.#handle = this.#arm(delayMs, run);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  #arm(delayMs: number, run: () => void): ReturnType<typeof setTimeout> {
    if (delayMs <= timeoutMsMax) return setTimeout(run, delayMs).unref();
    const rest = () => {
      this.#handle = this.#arm(delayMs - timeoutMsMax, run);
    };
    return setTimeout(rest, timeoutMsMax).unref();
  }
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, run) => new SystemTimer(delayMs, run),
  defer: (run) => {
    setImmediate(run);
  },
};
