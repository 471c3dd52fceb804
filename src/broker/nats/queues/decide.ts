/** What a settlement makes of a message: a pure decision, refused where the life cycle knows no such step. */
import { ColloquyError, type ErrorInfo, errorInfo, invalidOption } from "../../../errors.ts";
import type { Effect, Outcome } from "../../broker.ts";
import { lacksError } from "../../checks.ts";
import { isLegal, type LifeState } from "../../life-cycle.ts";
import type { Item } from "./item.ts";
import { endedErrors, exhausted, failed } from "./judge.ts";
import { type FinalRecord, firstLife, type LiveRecord, openQuestion } from "./record.ts";

export type Decision =
  | { readonly kind: "refuse"; readonly error: ErrorInfo }
  | { readonly kind: "final"; readonly record: FinalRecord }
  | { readonly kind: "bury"; readonly record: FinalRecord; readonly life: LiveRecord }
  /** `delayMs`: until it is offered again. */
  | { readonly kind: "return"; readonly record: LiveRecord; readonly delayMs: number };

const stateAfter: Readonly<Record<Outcome["kind"], LifeState>> = {
  done: "done",
  failed: "failed",
  dead: "dead",
  expired: "expired",
  rescinded: "rescinded",
  cancelled: "cancelled",
  retry: "queued",
  release: "queued",
};

/** Until somebody answers the question, who then wakes it. */
const questionMs = 30_000;

export function decide(
  item: Item,
  outcome: Outcome,
  effects: readonly Effect[],
  by: string,
  nowMs: number,
): Decision {
  const error = obstacleTo(item, outcome, effects);
  if (error !== undefined) return { kind: "refuse", error };
  const { attempt } = item;
  switch (outcome.kind) {
    case "done": {
      const { result } = outcome;
      const record = { state: "done", attempt, by, ...(result === undefined ? {} : { result }) };
      return { kind: "final", record: record as FinalRecord };
    }
    case "failed":
    case "expired":
    case "rescinded":
    case "cancelled":
      return {
        kind: "final",
        record: { state: outcome.kind, attempt, by, error: outcome.error },
      };
    case "dead":
      return bury(failed(lifeOf(item), nowMs, outcome.error, {}), outcome.error, by);
    case "retry":
      return retry(item, outcome.delayMs, outcome.error, by, nowMs);
    case "release":
      return release(item, by);
  }
}

/** Its receiver has left, and nobody knows whether a handler has started. */
export function abandon(item: Item, by: string): Decision {
  const { attempt, message } = item;
  if (message.guarantee === "at-most-once") {
    return { kind: "final", record: { state: "failed", attempt, by, error: endedErrors.lost } };
  }
  const life = lifeOf(item);
  const isOpen = openQuestion(life) > 0;
  if (!isOpen && item.phase !== "waiting-input") return release(item, by);
  // Whoever waits for a person may be gone many times meanwhile: it says nothing about the message.
  const delayMs = isOpen ? questionMs : 0;
  return { kind: "return", record: { ...life, state: "free", by }, delayMs };
}

function release(item: Item, by: string): Decision {
  if (item.withdrawals.length > 0) {
    const { attempt } = item;
    return {
      kind: "final",
      record: { state: "rescinded", attempt, by, error: endedErrors.rescinded },
    };
  }
  const life = lifeOf(item);
  const attempts = { ...life.attempts, pickups: life.attempts.pickups + 1 };
  const error = exhausted(attempts);
  if (error !== undefined) return bury({ ...life, attempts }, error, by);
  const record: LiveRecord = { ...life, state: "free", by, attempts, unstarted: true };
  return { kind: "return", record, delayMs: 0 };
}

function retry(item: Item, delayMs: number, error: ErrorInfo, by: string, nowMs: number): Decision {
  const { attempt, message } = item;
  if (message.guarantee === "at-most-once") {
    return { kind: "final", record: { state: "failed", attempt, by, error } };
  }
  const before = lifeOf(item);
  const life = failed(before, nowMs, error, { failures: before.attempts.failures + 1 });
  const dueMs = delayMs > 0 ? Math.ceil(nowMs + delayMs) : 0;
  const { expiresAtMs } = message;
  const untilMs = expiresAtMs === 0 ? dueMs : Math.min(dueMs, expiresAtMs);
  const { unstarted: _, ...kept } = life;
  const record: LiveRecord = { ...kept, state: "free", by, dueMs };
  return { kind: "return", record, delayMs: Math.max(0, untilMs - nowMs) };
}

function bury(life: LiveRecord, error: ErrorInfo, by: string): Decision {
  return { kind: "bury", life, record: { state: "dead", attempt: life.attempt, by, error } };
}

/** The message as its present attempt leaves it. */
function lifeOf(item: Item): LiveRecord {
  const { attempt, live = firstLife, receiver } = item;
  return { ...live, attempt, consumer: receiver?.consumer ?? live.consumer };
}

function obstacleTo(
  item: Item,
  outcome: Outcome,
  effects: readonly Effect[],
): ErrorInfo | undefined {
  const asked = (item.live?.questions?.length ?? 0) > 0;
  const from = asked ? "waiting-input" : item.phase;
  const to = stateAfter[outcome.kind];
  if (!isLegal(from, to)) {
    const message = `a message that is ${from} cannot become ${to}`;
    const details = { from, to };
    return errorInfo(new ColloquyError("INTERNAL_ERROR", message, { details }));
  }
  if (lacksError(outcome)) {
    return errorInfo(invalidOption("error", undefined, `the error of a message that is ${to}`));
  }
  if (outcome.kind === "retry" && !(outcome.delayMs >= 0)) {
    return errorInfo(new ColloquyError("INVALID_OPTION", `delayMs: ${outcome.delayMs}`));
  }
  const ran = outcome.kind === "done" || outcome.kind === "failed" || outcome.kind === "dead";
  if (effects.length === 0 || ran) return undefined;
  const message = `effects: none go with the outcome ${outcome.kind}`;
  return errorInfo(new ColloquyError("INVALID_OPTION", message));
}
