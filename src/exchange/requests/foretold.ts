/**
 * What this process has said about requests that are not here any more, or not yet: that they never
 * came, or that they are cancelled. Controls pass data that waits, so a request may come after the
 * question about it; what was said must then be true. And the same question gets the same answer.
 *
 *   missing            it may be started, once        ── it comes ──▶ taken
 *   taken              it has come; what comes again is the same request
 *   cancelled          it was not started, and must not be
 *   cancelled-at-work  it had been started
 */
import type { Clock } from "../../runtime/clock.ts";

export type Saying = "missing" | "taken" | "cancelled" | "cancelled-at-work";

interface Said {
  readonly saying: Saying;
  readonly untilMs: number;
}

/** A request that is on its way for longer was lost. */
const keptMs = 30_000;
const keptMax = 10_000;

export class Foretold {
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #said = new Map<string, Said>();
  /** When the youngest saying that is no longer here was said. */
  #forgottenAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asked for every request: nearly always 0. */
  get size(): number {
    return this.#said.size;
  }

  get(id: string): Saying | undefined {
    return this.#said.get(id)?.saying;
  }

  /** Milliseconds back to which nothing that was said is missing. */
  completeForMs(): number {
    return this.#clock.monotonicMs() - this.#forgottenAtMs;
  }

  say(id: string, saying: Saying): void {
    const nowMs = this.#clock.monotonicMs();
    this.#said.delete(id);
    this.#said.set(id, { saying, untilMs: nowMs + keptMs });
    for (const [oldest, { untilMs }] of this.#said) {
      if (untilMs > nowMs && this.#said.size <= keptMax) return;
      this.#said.delete(oldest);
      this.#forgottenAtMs = untilMs - keptMs;
    }
  }
}
