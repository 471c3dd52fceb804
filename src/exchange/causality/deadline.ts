/** A deadline only shrinks on its way. */
import type { Clock } from "../../runtime/clock.ts";

/** Wall clock when a call made now must have ended; Infinity where neither it nor its cause has a deadline. */
export function deadlineOf(
  clock: Clock,
  options: { readonly deadlineMs?: number },
  cause: { readonly deadlineAtMs: number } | undefined,
): number {
  const inherited = cause?.deadlineAtMs ?? Number.POSITIVE_INFINITY;
  if (options.deadlineMs === undefined) return inherited;
  return Math.min(inherited, Math.ceil(clock.nowMs() + options.deadlineMs));
}

/** The clock is read only where there is a deadline. */
export function isPast(clock: Clock, deadlineAtMs: number): boolean {
  return deadlineAtMs !== Number.POSITIVE_INFINITY && deadlineAtMs <= clock.nowMs();
}
