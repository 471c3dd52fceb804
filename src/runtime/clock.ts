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
    if (delayMs <= timeoutMsMax) return released(setTimeout(run, delayMs));
    const rest = () => {
      this.#handle = this.#arm(delayMs - timeoutMsMax, run);
    };
    return released(setTimeout(rest, timeoutMsMax));
  }
}

/** In a page a timer is a number, which keeps nothing alive. */
function released(handle: ReturnType<typeof setTimeout>): ReturnType<typeof setTimeout> {
  return typeof handle === "object" ? handle.unref() : handle;
}

/**
 * `setImmediate` for pages, which have none: a message to oneself comes behind what waits already, and
 * unlike a timer is neither delayed nor slowed down in a page that nobody looks at.
 */
function deferByMessage(): Clock["defer"] {
  const waiting: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.addEventListener("message", () => waiting.shift()?.());
  port1.start();
  return (run) => {
    waiting.push(run);
    port2.postMessage(undefined);
  };
}

const defer: Clock["defer"] =
  globalThis.setImmediate === undefined
    ? deferByMessage()
    : (run) => {
        setImmediate(run);
      };

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, run) => new SystemTimer(delayMs, run),
  defer,
};
