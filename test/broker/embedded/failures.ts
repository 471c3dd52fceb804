/** How a call failed, for tests and the processes that they start. */
import { ColloquyError, type ErrorCode } from "../../../src/errors.ts";

/** @returns the error of ours that `run` throws; anything else it throws goes on. */
export function failureOf(run: () => unknown): ColloquyError | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof ColloquyError) return error;
    throw error;
  }
}

export function summaryOf(
  error: ColloquyError | undefined,
): readonly [ErrorCode, unknown] | undefined {
  return error === undefined ? undefined : [error.code, error.details["reason"]];
}
