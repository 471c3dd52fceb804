/** Messages as parameters of scripts (scripts/intake.ts), and what scripts answer to them. */
import { ColloquyError, errorInfo } from "../../../errors.ts";
import type { EnqueueOutcome, QueuedMessage } from "../../broker.ts";
import { frameArgument, type RedisArgument } from "../client.ts";

export function messageParameters(message: QueuedMessage): readonly RedisArgument[] {
  const { frame, lane, guarantee, id, key = "", notBeforeMs, expiresAtMs, origin } = message;
  return [
    frameArgument(frame),
    String(lane),
    guarantee,
    id,
    key,
    notBeforeMs === undefined ? "" : String(Math.ceil(notBeforeMs)),
    expiresAtMs === undefined ? "" : String(Math.ceil(expiresAtMs)),
    origin?.incarnation ?? "",
    origin === undefined ? "" : String(origin.sequence),
    origin === undefined ? "" : String(origin.repeatsFrom),
  ];
}

/** @param answer - a position, "=" and one, or "!" and why not. */
export function enqueueOutcome(
  queue: string,
  message: QueuedMessage | undefined,
  answer: string,
): EnqueueOutcome {
  if (answer.startsWith("!")) {
    const error = obstacleError(answer.slice(1), queue, message);
    return { kind: "rejected", error: errorInfo(error) };
  }
  const duplicate = answer.startsWith("=");
  const position = Number(duplicate ? answer.slice(1) : answer);
  return { kind: "stored", position, duplicate };
}

/** Why a message cannot be stored. */
export function obstacleError(
  obstacle: string,
  queue: string,
  message: QueuedMessage | undefined,
): ColloquyError {
  if (obstacle === "undeclared") {
    const text = `no mailbox "${queue}" was declared`;
    return new ColloquyError("NO_ELIGIBLE_AGENT", text, { details: { queue } });
  }
  const value = JSON.stringify(message?.origin);
  const limit = "an incarnation, and a sequence that repeatsFrom allows";
  return new ColloquyError("INVALID_MESSAGE", `origin: ${value} is not ${limit}`, {
    details: { field: "origin", value, limit },
  });
}
