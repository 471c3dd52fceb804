/** Requests that are repeated where a repeat cannot do the work twice. */
import { isColloquyError } from "../errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { sleep } from "../runtime/sleep.ts";
import type { Ask, Outgoing } from "./policy.ts";
import { retryAfterMs } from "./refusals.ts";
import { retryDelayMs } from "./retry.ts";
import type { RetryBudget } from "./retry-budget.ts";

export interface RepeatOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Of all requests that share it. */
  readonly budget: RetryBudget;
}

/**
 * Repeats a request that has a retry policy and whose error is `retryable`, after a delay with full
 * jitter. Who refused may ask for a longer one (`details.retryAfterMs`); above `capMs` the refusal
 * stands. The last error is passed on as it is.
 */
export function repeating<Request extends Outgoing>(
  ask: Ask<Request>,
  { clock, random, budget }: RepeatOptions,
): Ask<Request> {
  return async (request) => {
    const { retry, untilMs, signal } = request;
    if (retry === undefined) return ask(request);
    budget.earn(retry.budget);
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask(request);
      } catch (error) {
        if (attempt >= retry.attemptsMax || !isColloquyError(error) || !error.retryable)
          throw error;
        const delayMs = Math.max(retryDelayMs(attempt, retry, random), retryAfterMs(error));
        if (delayMs > retry.capMs || clock.monotonicMs() + delayMs >= untilMs) throw error;
        if (!budget.spend()) throw error;
        await sleep(clock, delayMs, signal);
        // Woken up late, it does not ask again: what it has heard says more than that it is too late.
        if (clock.monotonicMs() >= untilMs) throw error;
      }
    }
  };
}
