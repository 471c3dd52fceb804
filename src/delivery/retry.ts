/** When failed durable work is tried again, and when it is given up. */

import type { Attempts, Outcome } from "../broker/broker.ts";
import { errorInfo, isColloquyError } from "../errors.ts";
import { type Checks, checkOptions, number, wholeNumber, withDefaults } from "../message/checks.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { retryAfterMs } from "./refusals.ts";
import { RetryBudget } from "./retry-budget.ts";

export interface RetryPolicy {
  /** Starts in all, 1 or more. Default: 3. */
  readonly attemptsMax: number;
  /** Milliseconds before the first retry, at most. Default: 200. */
  readonly baseMs: number;
  /** Milliseconds before any retry, at most. Default: 30,000; of a request, for which somebody waits, 5,000. */
  readonly capMs: number;
  /**
   * Retries for each first start, in the long run; Infinity: no limit. Default: 0.1. Beyond it a
   * request fails at once, and a command waits for half of `capMs` at least.
   */
  readonly budget: number;
}

export const defaultRetry: RetryPolicy = {
  attemptsMax: 3,
  baseMs: 200,
  capMs: 30_000,
  budget: 0.1,
};

export const requestRetry: RetryPolicy = { ...defaultRetry, capMs: 5_000 };

export const retryChecks: Checks<RetryPolicy> = {
  attemptsMax: wholeNumber(1),
  baseMs: number(0),
  capMs: number(0),
  budget: number(0, "or Infinity"),
};

/** @throws INVALID_OPTION naming the option, its value and what it may be. */
export function retryPolicy(options: Partial<RetryPolicy> | undefined): RetryPolicy {
  if (options === undefined) return defaultRetry;
  checkOptions(options, retryChecks, "retry");
  return withDefaults(options, defaultRetry);
}

/**
 * Delay before a retry: uniform from 0 up to, not including, a ceiling that doubles to `capMs`.
 *
 *   attempt      1     2     3     4     with baseMs 100, capMs 500
 *   ceiling    100   200   400   500
 *
 * @param attempt - 1 for the first retry.
 * @returns milliseconds, whole.
 * @see M. Brooker, "Exponential Backoff And Jitter", 2015: full jitter.
 */
export function retryDelayMs(attempt: number, policy: RetryPolicy, random: Random): number {
  const ceilingMs = Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1));
  return Math.floor(random.float() * ceilingMs);
}

/** How the durable work of one handler is tried again. */
export class Retries {
  readonly #policy: RetryPolicy;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Full until the first. */
  #held: RetryBudget | undefined;

  constructor(policy: RetryPolicy, clock: Clock, random: Random) {
    this.#policy = policy;
    this.#clock = clock;
    this.#random = random;
  }

  /** Work is started for the first time. */
  begun(): void {
    this.#budget.earn(this.#policy.budget);
  }

  /**
   * What becomes of work whose handler threw:
   *
   *   a ColloquyError that is not retryable      failed: the handler's final answer
   *   anything else, attempts left               retry after a delay
   *   anything else, no attempts left            dead: kept until a person decides
   */
  outcomeOf(error: unknown, attempts: Attempts): Outcome {
    const info = errorInfo(error);
    if (isColloquyError(error) && !error.retryable) return { kind: "failed", error: info };
    const failures = attempts.failures + 1;
    if (failures >= this.#policy.attemptsMax) return { kind: "dead", error: info };
    return { kind: "retry", delayMs: this.#delayMs(error, failures), error: info };
  }

  get #budget(): RetryBudget {
    this.#held ??= new RetryBudget(this.#clock);
    return this.#held;
  }

  #delayMs(error: unknown, failures: number): number {
    const { capMs } = this.#policy;
    // Who lost a race against others tries again at once: nothing is overloaded.
    if (!isColloquyError(error, "CONFLICT") && !this.#budget.spend()) {
      return Math.ceil((capMs / 2) * (1 + this.#random.float()));
    }
    return Math.max(retryDelayMs(failures, this.#policy, this.#random), retryAfterMs(error));
  }
}
