/**
 * A clock that stands still until it is told to move. Everything that waits on it runs in one order:
 * by due time, then by the order of setting; deferred work after the timers of the same instant. Between
 * any two of them all promise reactions run. So the same program takes the same steps every time.
 */
import { ColloquyError } from "../errors.ts";
import { checkOptions, number } from "../message/checks.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { Heap } from "../runtime/heap.ts";
import { microtasksDrained } from "../runtime/microtasks.ts";

export interface VirtualClockOptions {
  /** What `nowMs()` says at first, milliseconds since 1970. Default: 2026-01-01T00:00:00Z. */
  readonly startMs?: number;
}

const defaultStartMs = Date.UTC(2026, 0, 1);

/** How far `run` and `until` move by default, milliseconds: an hour, because a heartbeat never ends. */
const horizonDefaultMs = 3_600_000;

export class VirtualClock implements Clock {
  readonly #timers = new Heap<VirtualTimer>(dueBefore);
  readonly #deferred: (() => void)[] = [];
  #elapsedMs = 0;
  #wallOriginMs: number;
  #serial = 0;
  #moving = false;

  /** @throws INVALID_OPTION. */
  constructor(options: VirtualClockOptions = {}) {
    checkOptions<VirtualClockOptions>(options, { startMs: number(0) });
    this.#wallOriginMs = options.startMs ?? defaultStartMs;
  }

  nowMs(): number {
    return Math.floor(this.#wallOriginMs + this.#elapsedMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const dueMs = this.#elapsedMs + Math.max(0, delayMs);
    if (!Number.isFinite(dueMs)) throw new ColloquyError("INVALID_OPTION", `delayMs: ${delayMs}`);
    const timer = new VirtualTimer(dueMs, ++this.#serial, run);
    this.#timers.push(timer);
    return timer;
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  /** Sets the wall clock, forwards or back, as an operator does: timers and durations do not notice. */
  setWallClock(nowMs: number): void {
    this.#wallOriginMs = nowMs - this.#elapsedMs;
  }

  /** Runs everything that can run at this instant, and what that causes, without moving. */
  settle(): Promise<void> {
    return this.advance(0);
  }

  /**
   * Moves `durationMs` forward and runs on the way what falls due. What a timer or a deferred
   * function throws rejects here, and the clock stands where that happened.
   */
  advance(durationMs: number): Promise<void> {
    return this.#move(this.#elapsedMs + durationMs, () => false);
  }

  /**
   * Moves from timer to timer until none is left.
   *
   * @throws TIMEOUT when something still waits after `withinMs`, by default an hour.
   */
  async run(withinMs: number = horizonDefaultMs): Promise<void> {
    await this.#move(this.#elapsedMs + withinMs, () => this.#nextDueMs() === undefined);
    if (this.#nextDueMs() === undefined) return;
    throw new ColloquyError("TIMEOUT", `timers are still set after ${withinMs} ms`);
  }

  /**
   * Moves from timer to timer until `promise` settles, and no further.
   *
   * @returns its value; rejects as it does.
   * @throws TIMEOUT when it has not settled after `withinMs`, by default an hour, or never can,
   *   because nothing is left that waits on this clock.
   */
  async until<Value>(promise: Promise<Value>, withinMs: number = horizonDefaultMs): Promise<Value> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    const startMs = this.#elapsedMs;
    const idle = () => settled || this.#nextDueMs() === undefined;
    await this.#move(startMs + withinMs, idle);
    if (settled) return promise;
    const waitedMs = this.#elapsedMs - startMs;
    throw new ColloquyError("TIMEOUT", `the promise has not settled after ${waitedMs} ms`);
  }

  /** Takes steps until `enough`, asked whenever an instant is over, or until `targetMs`. */
  async #move(targetMs: number, enough: () => boolean): Promise<void> {
    if (!(targetMs >= this.#elapsedMs)) {
      throw new ColloquyError("INVALID_OPTION", `durationMs: ${targetMs - this.#elapsedMs}`);
    }
    if (this.#moving) throw new ColloquyError("INVALID_OPTION", "the clock is already moving");
    this.#moving = true;
    try {
      await microtasksDrained();
      for (;;) {
        await this.#runInstant();
        if (enough()) return;
        const dueMs = this.#nextDueMs();
        if (dueMs === undefined || dueMs > targetMs) break;
        this.#elapsedMs = dueMs;
      }
      this.#elapsedMs = targetMs;
    } finally {
      this.#moving = false;
    }
  }

  /** In rounds, as an event loop turns: the timers due now, then what was deferred by then. */
  async #runInstant(): Promise<void> {
    for (;;) {
      let idle = true;
      const last = this.#serial;
      for (let next = this.#timers.peek(); next !== undefined; next = this.#timers.peek()) {
        if (next.dueMs > this.#elapsedMs || next.serial > last) break;
        this.#timers.pop();
        if (!next.fire()) continue;
        idle = false;
        await microtasksDrained();
      }
      for (let waiting = this.#deferred.length; waiting > 0; waiting--) {
        this.#deferred.shift()?.();
        idle = false;
        await microtasksDrained();
      }
      const dueMs = this.#nextDueMs();
      const again = this.#deferred.length > 0 || (dueMs !== undefined && dueMs <= this.#elapsedMs);
      if (idle && !again) return;
    }
  }

  #nextDueMs(): number | undefined {
    for (let next = this.#timers.peek(); next !== undefined; next = this.#timers.peek()) {
      if (next.pending) return next.dueMs;
      this.#timers.pop();
    }
    return undefined;
  }
}

class VirtualTimer implements Timer {
  readonly dueMs: number;
  readonly serial: number;
  #run: (() => void) | undefined;

  constructor(dueMs: number, serial: number, run: () => void) {
    this.dueMs = dueMs;
    this.serial = serial;
    this.#run = run;
  }

  get pending(): boolean {
    return this.#run !== undefined;
  }

  cancel(): void {
    this.#run = undefined;
  }

  /** @returns false when it was cancelled. */
  fire(): boolean {
    const run = this.#run;
    if (run === undefined) return false;
    this.#run = undefined;
    run();
    return true;
  }
}

function dueBefore(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.serial < b.serial);
}
