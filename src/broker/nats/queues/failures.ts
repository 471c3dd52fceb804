/** How the attempts at one message failed: the latest twenty, none too long. */
import type { ErrorInfo } from "../../../errors.ts";
import type { Failure } from "../../broker.ts";

const failuresMax = 20;
const charactersMax = 2_048;

export function withFailure(history: readonly Failure[], failure: Failure): readonly Failure[] {
  return [...history.slice(1 - failuresMax), { ...failure, error: shorten(failure.error) }];
}

function shorten(error: ErrorInfo): ErrorInfo {
  if (JSON.stringify(error).length <= charactersMax) return error;
  const { code, message, retryable } = error;
  return { code, message: message.slice(0, charactersMax / 2), retryable };
}
