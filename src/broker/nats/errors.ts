/** What the server and its client say went wrong, in the words of the ports. */
import { ColloquyError, type ErrorCode, isColloquyError } from "../../errors.ts";

/** An error as JetStream's API answers it. */
export interface ApiError {
  /** As of HTTP. */
  readonly code: number;
  /** Which error it is. */
  readonly err_code?: number;
  readonly description?: string;
}

/** The codes of JetStream that are told apart. */
export const apiCodes = {
  wrongLastSequence: 10_071,
  /** In a batch that names one subject twice; the sequence is not told. */
  wrongLastSequenceUnknown: 10_164,
  streamNotFound: 10_059,
  consumerNotFound: 10_014,
  messageNotFound: 10_037,
  streamNameInUse: 10_058,
  batchTooLarge: 10_199,
} as const;

const byApiCode: Readonly<Record<number, ErrorCode>> = {
  [apiCodes.wrongLastSequence]: "CONFLICT",
  [apiCodes.wrongLastSequenceUnknown]: "CONFLICT",
  [apiCodes.streamNotFound]: "NOT_FOUND",
  [apiCodes.consumerNotFound]: "NOT_FOUND",
  [apiCodes.messageNotFound]: "NOT_FOUND",
  [apiCodes.batchTooLarge]: "MESSAGE_TOO_LARGE",
  10054: "MESSAGE_TOO_LARGE", // maximum message size
  10002: "QUEUE_FULL", // resource limits of the account
  10023: "QUEUE_FULL", // insufficient resources
  10028: "QUEUE_FULL", // memory resources
  10047: "QUEUE_FULL", // insufficient storage
  10077: "QUEUE_FULL", // the stream could not store it: maximum messages or bytes
  10122: "QUEUE_FULL", // maximum bytes of the account
  10039: "UNSUPPORTED", // JetStream is not enabled for the account
  10076: "UNSUPPORTED", // JetStream is not enabled
};

/** The request was refused: nothing of it has happened. */
export function apiError(error: ApiError, what: string): ColloquyError {
  const { code, err_code: apiCode, description = "no reason given" } = error;
  const known = apiCode === undefined ? undefined : byApiCode[apiCode];
  const details = { what, status: code, ...(apiCode === undefined ? {} : { apiCode }) };
  const message = `nats: ${what}: ${description}`;
  if (known !== undefined) return new ColloquyError(known, message, { details });
  // No leader, no room for another batch: another time.
  if (code === 503 || code === 429) {
    return new ColloquyError("AGENT_UNREACHABLE", message, { details });
  }
  return new ColloquyError("STORE_FAILED", message, { details });
}

/** Which error of JetStream's it was, where it was one. */
export function apiCodeOf(error: unknown): number | undefined {
  if (!isColloquyError(error)) return undefined;
  const apiCode = error.details["apiCode"];
  return typeof apiCode === "number" ? apiCode : undefined;
}

/** Nobody answers to the subject: not even the request was stored. */
export function noResponders(what: string): ColloquyError<"AGENT_UNREACHABLE"> {
  const message = `nats: ${what}: nobody answers; JetStream is off, has no leader, or the stream is gone`;
  return new ColloquyError("AGENT_UNREACHABLE", message, { details: { what } });
}

/** It was sent, and whether it has happened nobody knows. */
export function unanswered(what: string, why: string, cause?: unknown): ColloquyError {
  return new ColloquyError("INDETERMINATE", `nats: ${what}: ${why} before the answer came`, {
    cause,
    details: { what },
  });
}

/** By name: an error of the client may come from another copy of it. */
const byClientName: Readonly<Record<string, ErrorCode>> = {
  TimeoutError: "INDETERMINATE",
  RequestError: "INDETERMINATE",
  NoResponders: "AGENT_UNREACHABLE",
  PermissionViolationError: "FORBIDDEN",
  AuthorizationError: "UNAUTHORIZED",
  UserAuthenticationExpiredError: "TOKEN_EXPIRED",
  ClosedConnectionError: "CLOSED",
  DrainingConnectionError: "CLOSED",
  InvalidArgumentError: "INVALID_OPTION",
  InvalidSubjectError: "INVALID_OPTION",
  ConnectionError: "AGENT_UNREACHABLE",
};

/** What the client has thrown, or has told as its status. */
export function clientError(thrown: unknown, what: string): ColloquyError {
  if (isColloquyError(thrown)) return thrown;
  const { name, message } = thrown instanceof Error ? thrown : { name: "", message: `${thrown}` };
  const code = codeOf(name, message);
  return new ColloquyError(code, `nats: ${what}: ${message}`, {
    cause: thrown,
    details: { what },
  });
}

function codeOf(name: string, message: string): ErrorCode {
  if (name === "InvalidArgumentError" && message.includes("max_payload")) {
    return "MESSAGE_TOO_LARGE";
  }
  return byClientName[name] ?? "AGENT_UNREACHABLE";
}
