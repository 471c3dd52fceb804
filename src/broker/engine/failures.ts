/** How the attempts at one message failed, as it lies in its row: JSON, the latest, none too long. */
import type { ErrorInfo } from "../../errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../message/text.ts";
import type { Failure } from "../broker.ts";

const failuresMax = 20;
const charactersMax = 2_048;

export const noFailures: Uint8Array = new Uint8Array(0);

export function decodeFailures(bytes: Uint8Array): readonly Failure[] {
  if (bytes.length === 0) return [];
  return JSON.parse(decodeUtf8("history", bytes, 0, bytes.length)) as readonly Failure[];
}

/** @returns `bytes` with one more, without the oldest where there are too many. */
export function withFailure(bytes: Uint8Array, failure: Failure): Uint8Array {
  const failures = decodeFailures(bytes).slice(1 - failuresMax);
  const shortened = { ...failure, error: shorten(failure.error) };
  return encodeUtf8(JSON.stringify([...failures, shortened]));
}

function shorten(error: ErrorInfo): ErrorInfo {
  const { code, message, retryable } = error;
  const whole = JSON.stringify(error);
  if (whole.length <= charactersMax) return error;
  return { code, message: message.slice(0, charactersMax / 2), retryable };
}
