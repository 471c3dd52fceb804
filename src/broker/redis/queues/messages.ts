/** Messages as parameters of scripts (scripts/intake.ts), and what scripts answer to them. */
import { ColloquyError, errorInfo } from "../../../errors.ts";
import type { EnqueueOutcome, QueuedMessage } from "../../broker.ts";
import { frameArgument, type RedisArgument, type RedisReply } from "../client.ts";

/** Neighbours with the same routing make a run. */
export function messageParameters(messages: readonly QueuedMessage[]): readonly RedisArgument[] {
  const parameters: RedisArgument[] = [];
  let run: readonly string[] = [];
  let countAt = 0;
  let count = 0;
  for (const message of messages) {
    const routing = routingOf(message);
    if (!areSame(routing, run)) {
      run = routing;
      count = 0;
      countAt = parameters.length;
      parameters.push("", ...routing);
    }
    parameters[countAt] = String(++count);
    const { frame, id, origin } = message;
    parameters.push(frameArgument(frame), id);
    if (origin !== undefined) parameters.push(String(origin.sequence));
  }
  return parameters;
}

/** Parameters that are the same; bytes are not compared. */
export function areSame(one: readonly RedisArgument[], other: readonly RedisArgument[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}

function routingOf(message: QueuedMessage): readonly string[] {
  const { lane, guarantee, key = "", notBeforeMs, expiresAtMs, origin } = message;
  return [
    String(lane),
    guarantee,
    key,
    notBeforeMs === undefined ? "" : String(Math.ceil(notBeforeMs)),
    expiresAtMs === undefined ? "" : String(Math.ceil(expiresAtMs)),
    origin?.incarnation ?? "",
    origin === undefined ? "" : String(origin.repeatsFrom),
  ];
}

/** @param answer - a position, below 0 for a duplicate, or why there is none. */
export function enqueueOutcome(
  queue: string,
  message: QueuedMessage,
  answer: RedisReply,
): EnqueueOutcome {
  if (typeof answer !== "number") {
    const error = obstacleError(String(answer), queue, message);
    return { kind: "rejected", error: errorInfo(error) };
  }
  return { kind: "stored", position: Math.abs(answer), duplicate: answer < 0 };
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
