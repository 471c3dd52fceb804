/**
 * Requests and streams between agents of this process whose id somebody knows, so that they can be
 * attached to and cancelled like those of other processes; and for a while how they ended.
 */
import type { TimeoutOutcome } from "../../errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type Handled, keptMs, type Reader } from "./handled.ts";

/** Tells a reader how the work ended. */
export type Tell = (reader: Reader) => void;

export interface Ended {
  readonly tell: Tell;
  /** "done", or what was known when it was cancelled. */
  readonly outcome: TimeoutOutcome;
  readonly untilMs: number;
}

/** Answers kept: values, whose bytes nobody has counted. */
const endedMax = 1_000;

export class Operations {
  readonly #clock: Clock;
  readonly #running = new Map<string, Handled>();
  /** The oldest first. */
  readonly #ended = new Map<string, Ended>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param id - of the request. */
  add(id: string, handled: Handled): void {
    this.#running.set(id, handled);
  }

  end(id: string, tell: Tell, outcome: TimeoutOutcome): void {
    this.#running.delete(id);
    this.#ended.set(id, { tell, outcome, untilMs: this.#clock.monotonicMs() + keptMs });
    this.#trim();
  }

  running(id: string): Handled | undefined {
    return this.#running.get(id);
  }

  /** All that run. */
  all(): readonly Handled[] {
    return [...this.#running.values()];
  }

  ended(id: string): Ended | undefined {
    this.#trim();
    return this.#ended.get(id);
  }

  #trim(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [oldest, { untilMs }] of this.#ended) {
      if (untilMs > nowMs && this.#ended.size <= endedMax) return;
      this.#ended.delete(oldest);
    }
  }
}
