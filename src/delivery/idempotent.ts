/** Requests that may be done twice without harm: a read, or a write that says what is to be. */
import { ColloquyError, type ErrorCode, isColloquyError } from "../errors.ts";
import type { Ask, Outgoing } from "./policy.ts";

/** What says nothing about the work, or that it may have been done. Any other error is an answer. */
const uncertain: ReadonlySet<ErrorCode> = new Set([
  "AGENT_UNREACHABLE",
  "INDETERMINATE",
  "STORE_FAILED",
  "TIMEOUT",
]);

/** Of an idempotent request also those errors are `retryable` after which it may have been done. */
export function idempotently<Request extends Outgoing>(ask: Ask<Request>): Ask<Request> {
  return (request) => (request.idempotent ? harmless(ask(request)) : ask(request));
}

async function harmless(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (!isColloquyError(error) || error.retryable || !uncertain.has(error.code)) throw error;
    const { code, message, details } = error;
    throw new ColloquyError(code, message, { cause: error, details, retryable: true });
  }
}
