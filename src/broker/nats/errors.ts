/** What the server and its client say went wrong, in the words of the ports. */
import { ColloquyError, type ErrorCode, isColloquyError } from "../../errors.ts";
import { tlsFailure } from "../../link/tls-failure.ts";
import type { Greeting } from "./greeting.ts";

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

/** Says nothing of what was asked for, which may be asked again: nobody was there, or no answer came. */
export function isPassing(error: ColloquyError): boolean {
  return error.code === "INDETERMINATE" || error.code === "AGENT_UNREACHABLE";
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
  const { why, fix } = tlsFailure(thrown) ?? { why: message, fix: fixOf(message) };
  return new ColloquyError(code, `nats: ${what}: ${why}${fix === undefined ? "" : `; ${fix}`}`, {
    cause: thrown,
    details: { what, ...(fix === undefined ? {} : { fix }) },
  });
}

/** For people: what to change. */
function fixOf(message: string): string | undefined {
  if (message === "server does not support 'tls'") {
    return "join it with nats://, or set up tls in the server's configuration";
  }
  return undefined;
}

/** What was tried. */
export interface Connecting {
  readonly servers: readonly string[];
  /** Whether TLS was asked for. */
  readonly secure: boolean;
  /** Whether the client has a certificate of its own. */
  readonly certified: boolean;
}

/** The client does not tell why: the server did not greet, or has ended a handshake. */
export function isUntold(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "TimeoutError";
}

/**
 * The client could not connect for the first time: nothing has happened.
 *
 * @param greeting - what the server says, where `isUntold`.
 */
export function connectError(
  thrown: unknown,
  { servers, secure, certified }: Connecting,
  greeting: Greeting | undefined,
): ColloquyError {
  const what = `connecting to ${servers.join(", ")}`;
  const refuse = (why: string, fix: string) =>
    new ColloquyError("AGENT_UNREACHABLE", `nats: ${what}: ${why}; ${fix}`, {
      cause: thrown,
      details: { what, fix },
    });
  const failure = secure ? undefined : tlsFailure(thrown);
  if (failure !== undefined) {
    const fix =
      "the server asks for TLS: nats+tls://, or tls:// in servers, and tls: { ca }, or --ca FILE";
    return refuse(failure.why, fix);
  }
  if (!isUntold(thrown)) return clientError(thrown, what);
  if (greeting?.tls_verify === true) {
    const fix = "give it one that it trusts: tls: { cert, key }, or --tls-cert and --tls-key";
    const why = "the server asks for a certificate of its clients";
    return refuse(certified ? `${why}, and did not take this one` : why, fix);
  }
  if (greeting !== undefined) return refuse("the server did not answer", "see the server's log");
  return refuse("no greeting came", "is a NATS server there?");
}

function codeOf(name: string, message: string): ErrorCode {
  if (name === "InvalidArgumentError" && message.includes("max_payload")) {
    return "MESSAGE_TOO_LARGE";
  }
  return byClientName[name] ?? "AGENT_UNREACHABLE";
}
