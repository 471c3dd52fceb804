/** What scripts say became of messages, as the JSON of errors. */
import { ColloquyError, type ErrorCode, errorInfo } from "../../../../errors.ts";

function json(code: ErrorCode, message: string, retryable?: boolean): string {
  const options = retryable === undefined ? {} : { retryable };
  return JSON.stringify(errorInfo(new ColloquyError(code, message, options)));
}

export const expiredJson: string = json("EXPIRED", "expired before it was offered to anybody");
export const rescindedJson: string = json(
  "RESCINDED",
  "its sender withdrew it before it was started",
);
export const cancelledJson: string = json("CANCELLED", "its sender gave up");
export const lostOnceJson: string = json(
  "AGENT_UNREACHABLE",
  "sent at most once, and its receiver ended",
  false,
);
