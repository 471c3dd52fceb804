/**
 * The time after a reconnect: the other processes have lost the broker as well, and are not back at the
 * same moment. Until it is over nobody is taken for gone because nobody listened.
 */
import type { Clock } from "../../runtime/clock.ts";

/** Longer than anybody waits before it connects again, with what connecting takes. */
const regroupMs = 4_000;
const retryMs = 50;

export class Regrouping {
  readonly #clock: Clock;
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#untilMs = this.#clock.monotonicMs() + regroupMs;
  }

  /** Nobody listened: calls `again` a moment later, or `gone` at once where the others had their time. */
  unheard(again: () => void, gone: () => void): void {
    if (this.#clock.monotonicMs() < this.#untilMs) this.#clock.setTimer(retryMs, again);
    else gone();
  }
}
