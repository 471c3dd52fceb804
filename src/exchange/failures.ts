/** The errors of an exchange, each worded once. */
import { ColloquyError, type ErrorCode, isColloquyError, type TimeoutOutcome } from "../errors.ts";

export function timedOut(
  name: string,
  waitedMs: number,
  outcome: TimeoutOutcome,
): ColloquyError<"TIMEOUT"> {
  return new ColloquyError(
    "TIMEOUT",
    `${name}: no answer for ${waitedMs} ms; ${meaning[outcome]}`,
    {
      retryable: outcome === "not-started",
      details: { name, waitedMs, outcome },
    },
  );
}

const meaning: Readonly<Record<TimeoutOutcome, string>> = {
  "not-started": "the work was not started",
  "in-progress": "the handler was at work",
  done: "the work was done, its answer is lost",
  unknown: "whether the work was started is unknown",
};

export function pastDeadline(name: string, outcome: TimeoutOutcome): ColloquyError<"TIMEOUT"> {
  return new ColloquyError("TIMEOUT", `${name}: its deadline has passed; ${meaning[outcome]}`, {
    details: { name, outcome, deadline: true },
  });
}

export function unreachable(
  name: string,
  agent: string,
  outcome: TimeoutOutcome,
): ColloquyError<"AGENT_UNREACHABLE"> {
  return new ColloquyError(
    "AGENT_UNREACHABLE",
    `${name}: ${agent} cannot be reached; ${meaning[outcome]}`,
    {
      retryable: outcome === "not-started",
      details: { name, agent, outcome },
    },
  );
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
