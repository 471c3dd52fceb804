/**
 * A share of the traffic that may be repeats. When everything fails, everybody repeating everything
 * keeps the failing side down; a budget makes repeats end where they stop being the exception.
 *
 * First attempts earn, repeats spend. It also earns one repeat a second, so that whoever asks seldom
 * may always try again, and holds at most `heldMax`.
 *
 * @see B. Beyer et al., "Site Reliability Engineering", 2016: handling overload.
 */
import type { Clock } from "../runtime/clock.ts";

const heldMax = 100;
const earnedPerMs = 1 / 1_000;

export class RetryBudget {
  readonly #clock: Clock;
  #held = heldMax;
  #earnedAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#earnedAtMs = clock.monotonicMs();
  }

  /** A first attempt is made. @param share - repeats that it earns; Infinity fills the budget. */
  earn(share: number): void {
    this.#held = Math.min(heldMax, this.#held + share);
  }

  /** @returns false when there is nothing left: do not repeat. */
  spend(): boolean {
    const nowMs = this.#clock.monotonicMs();
    this.earn((nowMs - this.#earnedAtMs) * earnedPerMs);
    this.#earnedAtMs = nowMs;
    if (this.#held < 1) return false;
    this.#held--;
    return true;
  }
}
