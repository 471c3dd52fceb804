/** The errors of an exchange, each worded once. */
import {
  ColloquyError,
  type ErrorCode,
  errorFromInfo,
  isColloquyError,
  isErrorCode,
  type TimeoutOutcome,
} from "../errors.ts";

/** What is known of a request or stream when the wait for it ends. */
export interface Known {
  readonly name: string;
  /** Attaches to it again. */
  readonly id: string;
  readonly outcome: TimeoutOutcome;
  /** The work was left to go on: a repeat could do it twice. */
  readonly left: boolean;
}

export function timedOut(known: Known, waitedMs: number): ColloquyError<"TIMEOUT"> {
  const { name, outcome, left } = known;
  return new ColloquyError(
    "TIMEOUT",
    `${name}: no answer for ${waitedMs} ms; ${meaning[outcome]}${left ? ", and goes on" : ""}`,
    { retryable: outcome === "not-started" && !left, details: { ...known, waitedMs } },
  );
}

const meaning: Readonly<Record<TimeoutOutcome, string>> = {
  "not-started": "the work was not started",
  "in-progress": "the handler was at work",
  done: "the work was done, its answer is lost",
  unknown: "whether the work was started is unknown",
};

export function pastDeadline(
  known: Pick<Known, "name" | "outcome"> & Partial<Pick<Known, "id">>,
): ColloquyError<"TIMEOUT"> {
  const { name, outcome } = known;
  return new ColloquyError("TIMEOUT", `${name}: its deadline has passed; ${meaning[outcome]}`, {
    details: { ...known, deadline: true },
  });
}

/** A command that is sent too late to be done. */
export function expired(name: string): ColloquyError<"EXPIRED"> {
  return new ColloquyError("EXPIRED", `${name} was not sent: its deadline has passed`, {
    details: { name, deadline: true },
  });
}

export function unreachable(
  name: string,
  agent: string,
  outcome: TimeoutOutcome,
  id?: string,
): ColloquyError<"AGENT_UNREACHABLE"> {
  return new ColloquyError(
    "AGENT_UNREACHABLE",
    `${name}: ${agent} cannot be reached; ${meaning[outcome]}`,
    {
      retryable: outcome === "not-started",
      details: { name, agent, outcome, ...(id === undefined ? {} : { id }) },
    },
  );
}

/** Its process reads too slowly: as much waits for it as may. */
export function tooSlow(name: string, agent: string, id: string): ColloquyError<"QUEUE_FULL"> {
  const outcome = "not-started";
  const message = `${name}: the process of ${agent} is too slow to be told; ${meaning[outcome]}`;
  return new ColloquyError("QUEUE_FULL", message, { details: { name, agent, outcome, id } });
}

/** A stream ended without its end: what came is all that comes. */
export function cut(
  name: string,
  received: number,
  outcome: TimeoutOutcome,
  id: string,
): ColloquyError<"STREAM_CUT"> {
  return new ColloquyError("STREAM_CUT", `${name}: the stream was cut after chunk ${received}`, {
    details: { name, received, outcome, id },
  });
}

/** Its handler was gone, and the one that was asked to go on cannot. */
export function notResumable(name: string, received: number): ColloquyError<"STREAM_CUT"> {
  return new ColloquyError("STREAM_CUT", `${name}: the stream was cut after chunk ${received}`, {
    details: { name, received, resumable: false },
  });
}

/** A stream has one reader. */
export function takenOver(name: string): ColloquyError<"CONFLICT"> {
  return new ColloquyError("CONFLICT", `${name}: another reader has attached to the stream`, {
    details: { name },
  });
}

export function tooManyReaders(name: string, limit: number): ColloquyError<"QUEUE_FULL"> {
  return new ColloquyError("QUEUE_FULL", `${name}: ${limit} have attached to it already`, {
    details: { name, limit },
  });
}

/** Nothing is known of it: it ended too long ago, or was never there. */
export function nothingKnown(outcome: TimeoutOutcome, id: string): ColloquyError<"NOT_FOUND"> {
  return new ColloquyError("NOT_FOUND", `nothing is known of ${id}: ${meaning[outcome]}`, {
    details: { id, outcome },
  });
}

export function cancelledBecause(name: string, cause: unknown): ColloquyError<"CANCELLED"> {
  return new ColloquyError("CANCELLED", `${name} was cancelled`, { cause });
}

export function noHandler(agent: string, name: string): ColloquyError<"NO_HANDLER"> {
  return new ColloquyError("NO_HANDLER", `${agent} has no handler for ${name}`, {
    details: { agent, name },
  });
}

const refusals: ReadonlySet<ErrorCode> = new Set([
  "INVALID_ADDRESS",
  "INVALID_MESSAGE",
  "INVALID_OPTION",
  "MESSAGE_TOO_LARGE",
  "UNSUPPORTED",
]);

/** True when a call was refused for what was in it, before anything was done. */
export function isRefusal(error: unknown): boolean {
  return isColloquyError(error) && refusals.has(error.code);
}

export function closed(what: string): ColloquyError<"CLOSED"> {
  return new ColloquyError("CLOSED", `${what} is closed`);
}

/** The error another process sent; what it says is data, its code is checked. */
export function thrownBy(sent: unknown): ColloquyError {
  const { code, message, retryable, details } = (sent ?? {}) as Record<string, unknown>;
  return errorFromInfo({
    code: isErrorCode(code) ? code : "HANDLER_FAILED",
    message: typeof message === "string" ? message : "the handler failed",
    retryable: retryable === true,
    ...(typeof details === "object" && details !== null
      ? { details: details as Record<string, unknown> }
      : {}),
  });
}
