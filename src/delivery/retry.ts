/** When failed durable work is tried again, and when it is given up. */

import type { Attempts, Outcome } from "../broker/broker.ts";
import { ColloquyError, errorInfo, isColloquyError } from "../errors.ts";
import type { Random } from "../runtime/random.ts";

export interface RetryPolicy {
  /** Starts in all, 1 or more. Default: 3. */
  readonly attemptsMax: number;
  /** Milliseconds before the first retry, at most. Default: 200. */
  readonly baseMs: number;
  /** Milliseconds before any retry, at most. Default: 30,000. */
  readonly capMs: number;
}

export const defaultRetry: RetryPolicy = { attemptsMax: 3, baseMs: 200, capMs: 30_000 };

/** @throws INVALID_OPTION naming the option and its value. */
export function retryPolicy(options: Partial<RetryPolicy> = {}): RetryPolicy {
  const policy = { ...defaultRetry, ...options };
  for (const [name, value] of Object.entries(policy)) {
    if (Number.isFinite(value) && value >= (name === "attemptsMax" ? 1 : 0)) continue;
    throw new ColloquyError("INVALID_OPTION", `retry.${name}: ${value}`, {
      details: { field: `retry.${name}`, value },
    });
  }
  return policy;
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

/**
 * What becomes of durable work whose handler threw:
 *
 *   a ColloquyError that is not retryable      failed: the handler's final answer
 *   anything else, attempts left               retry after a delay
 *   anything else, no attempts left            dead: kept until a person decides
 */
export function outcomeOfFailure(
  error: unknown,
  attempts: Attempts,
  policy: RetryPolicy,
  random: Random,
): Outcome {
  const info = errorInfo(error);
  if (isColloquyError(error) && !error.retryable) return { kind: "failed", error: info };
  const failures = attempts.failures + 1;
  if (failures >= policy.attemptsMax) return { kind: "dead", error: info };
  return { kind: "retry", delayMs: retryDelayMs(failures, policy, random), error: info };
}
