/** What an error says to those who would ask again. */
import { ColloquyError, isColloquyError } from "../errors.ts";

/** Milliseconds that whoever refused asked to stay away for; 0 where it did not say. */
export function retryAfterMs(error: unknown): number {
  if (!isColloquyError(error)) return 0;
  const { retryAfterMs: waitMs } = error.details;
  return typeof waitMs === "number" && waitMs > 0 ? waitMs : 0;
}

/**
 * A failure of a call that a handler made in its turn and let through to its own caller. What it says
 * about the inner call (not started, try again) does not hold for the outer one: the handler ran.
 */
export function letThrough(error: ColloquyError, agent: string): ColloquyError {
  return new ColloquyError(error.code, error.message, {
    cause: error,
    details: { ...error.details, through: agent },
    retryable: false,
  });
}
