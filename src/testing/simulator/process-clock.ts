/**
 * The clock of one process among many on one virtual clock. It can be stopped, as a process is with
 * SIGSTOP: what falls due meanwhile happens when it goes on. And it can end, as a killed process does:
 * nothing happens any more. Work that was put off takes a little while, drawn anew each time, and
 * keeps its order, so that processes interleave as differently as they do for real.
 */
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";

/** One turn in so many takes longer than no time. */
const slowTurns = 4;
const slowTurnMsMax = 2;

export class ProcessClock implements Clock {
  readonly #base: Clock;
  readonly #random: Random;
  #state: "running" | "paused" | "ended" = "running";
  #held: ProcessTimer[] = [];
  #lastTurnMs = 0;
  /** How far the wall clock is off, milliseconds. */
  wallOffsetMs = 0;

  constructor(base: Clock, random: Random) {
    this.#base = base;
    this.#random = random;
  }

  nowMs(): number {
    return this.#base.nowMs() + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#base.monotonicMs();
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer = new ProcessTimer(run);
    timer.inner = this.#base.setTimer(delayMs, () => this.#due(timer));
    return timer;
  }

  defer(run: () => void): void {
    const nowMs = this.#base.monotonicMs();
    const draw = this.#random.uint32();
    const slow = draw % slowTurns === 0;
    const turnMs = slow ? nowMs + (draw / 2 ** 32) * slowTurnMsMax : nowMs;
    this.#lastTurnMs = Math.max(turnMs, this.#lastTurnMs);
    const waitMs = this.#lastTurnMs - nowMs;
    const timer = new ProcessTimer(run);
    const due = (): void => this.#due(timer);
    if (waitMs === 0) this.#base.defer(due);
    else this.#base.setTimer(waitMs, due);
  }

  get ended(): boolean {
    return this.#state === "ended";
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  /** What fell due while it was paused happens now, in the order in which it fell due. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    const held = this.#held;
    this.#held = [];
    for (const timer of held) timer.inner = this.#base.setTimer(0, () => this.#due(timer));
  }

  end(): void {
    this.#state = "ended";
    this.#held = [];
  }

  #due(timer: ProcessTimer): void {
    if (this.#state === "running") timer.run();
    else if (this.#state === "paused") this.#held.push(timer);
  }
}

class ProcessTimer implements Timer {
  inner: Timer | undefined;
  #run: (() => void) | undefined;

  constructor(run: () => void) {
    this.#run = run;
  }

  cancel(): void {
    this.#run = undefined;
    this.inner?.cancel();
  }

  run(): void {
    const run = this.#run;
    this.#run = undefined;
    run?.();
  }
}
