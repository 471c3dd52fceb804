/**
 * Time read once in a turn of the event loop, for stamps that thousands take in one: a reading costs as
 * much as looking up a call. What it says is as old as the turn, which a busy process makes long: never
 * to be used for what must not be early.
 */
import type { Clock } from "./clock.ts";

export class TurnTime {
  readonly #clock: Clock;
  readonly #forget = (): void => {
    this.#known = false;
  };
  #known = false;
  #nowMs = 0;
  #monotonicMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    if (!this.#known) this.#look();
    return this.#nowMs;
  }

  monotonicMs(): number {
    if (!this.#known) this.#look();
    return this.#monotonicMs;
  }

  #look(): void {
    this.#known = true;
    this.#nowMs = this.#clock.nowMs();
    this.#monotonicMs = this.#clock.monotonicMs();
    this.#clock.defer(this.#forget);
  }
}
