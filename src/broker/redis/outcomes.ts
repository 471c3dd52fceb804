/** Calls that failed, as the outcomes that ports give. */
import { type ErrorInfo, errorInfo, isColloquyError } from "../../errors.ts";

export interface FailedOutcome {
  readonly kind: "rejected" | "indeterminate";
  readonly error: ErrorInfo;
}

/** @throws what is no outcome: CLOSED and CANCELLED. */
export function failedOutcome(error: unknown): FailedOutcome {
  if (isColloquyError(error, "CLOSED") || isColloquyError(error, "CANCELLED")) throw error;
  const kind = isColloquyError(error, "INDETERMINATE") ? "indeterminate" : "rejected";
  return { kind, error: errorInfo(error) };
}
