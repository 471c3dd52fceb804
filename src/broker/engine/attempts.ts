/** How attempts end: what happens to a message that comes back, dies or is final. */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../errors.ts";
import type { Attempts, MessageState } from "../broker.ts";
import type { Core } from "./core.ts";
import { withFailure } from "./failures.ts";
import type { Group } from "./group.ts";
import type { Queue } from "./queue.ts";
import type { ReceiverEnd } from "./receiver.ts";
import type { History } from "./returned.ts";
import type { Slot } from "./slot.ts";

/** Makes the message final, with a record for its sender where there is something to tell. */
export function finish(
  core: Core,
  group: Group,
  queue: Queue,
  slot: Slot,
  state: MessageState,
): void {
  core.changes.of(queue, group).finish(slot, state);
  const { outcomes, questions } = core;
  if (!questions.none && questions.of(queue.number, slot.position) !== undefined) {
    questions.put(group, queue.number, slot.position, undefined);
  }
  if (slot.taken && state.state === "done" && state.result === undefined) {
    outcomes.recordCompleted(group, queue.number, slot.position);
  } else {
    outcomes.record(group, queue.number, slot.position, state);
  }
}

/** Makes the message a dead letter; the caller has seen that there is room. */
export function bury(
  core: Core,
  group: Group,
  queue: Queue,
  slot: Slot,
  history: History,
  error: ErrorInfo,
): void {
  core.deadLetters.add(group, queue.name, slot, history, error);
  finish(core, group, queue, slot, { state: "dead", error });
}

/** The message failed at `group.nowMs`, and comes back after `delayMs`. */
export function retry(
  core: Core,
  group: Group,
  queue: Queue,
  slot: Slot,
  delayMs: number,
  error: ErrorInfo,
): void {
  const failures = slot.history.attempts.failures + 1;
  const history = failed(slot, group.nowMs, error, { failures });
  const dueMs = group.nowMs + Math.max(0, delayMs);
  core.changes.of(queue, group).giveBack(slot, { ...history, dueMs });
}

/** Nobody started it, says who had it: the message goes back at once, unless its sender wants it back. */
export function release(core: Core, group: Group, queue: Queue, slot: Slot): void {
  if (slot.story !== undefined && slot.story.withdrawals.length > 0) {
    finish(core, group, queue, slot, rescindedState);
    return;
  }
  const { attempts } = slot.history;
  const history = { ...slot.history, attempts: { ...attempts, pickups: attempts.pickups + 1 } };
  comeBack(core, group, queue, slot, history);
}

/** The receiver that had it has ended, and nobody knows whether a handler has started. */
export function abandon(
  core: Core,
  group: Group,
  queue: Queue,
  slot: Slot,
  end: ReceiverEnd,
): void {
  if (slot.taken) {
    finish(core, group, queue, slot, { state: "failed", error: lostAtMostOnce() });
  } else if (slot.story?.phase === "waiting-input") {
    // Whoever waits for a person may be gone many times meanwhile: it says nothing about the message.
    comeBack(core, group, queue, slot, slot.history);
  } else if (end === "release") {
    release(core, group, queue, slot);
  } else {
    crash(core, group, queue, slot, 1);
  }
}

/** Receivers vanished with it, `times` so far unrecorded. */
export function crash(core: Core, group: Group, queue: Queue, slot: Slot, times: number): void {
  const crashes = slot.history.attempts.crashes + times;
  const history = failed(slot, group.nowMs, vanished(slot), { crashes });
  comeBack(core, group, queue, slot, history);
}

/** Unless that happened too often; where there is no room for another dead letter it is offered again. */
function comeBack(core: Core, group: Group, queue: Queue, slot: Slot, history: History): void {
  const { limits, deadLetters } = core;
  const error = exhausted(history.attempts, limits.pickupsMax, limits.crashesMax);
  if (error !== undefined && !deadLetters.full) {
    bury(core, group, queue, slot, history, error);
  } else {
    core.changes.of(queue, group).giveBack(slot, { ...history, fence: slot.fence, dueMs: 0 });
  }
}

/** The history of a message after one more attempt that failed. */
export function failed(
  slot: Slot,
  nowMs: number,
  error: ErrorInfo,
  more: Partial<Attempts>,
): History {
  const { attempts, firstFailureMs, past } = slot.history;
  const attempt = attempts.failures + attempts.crashes + 1;
  const consumer = slot.holder?.consumer ?? "";
  return {
    attempts: { ...attempts, ...more },
    firstFailureMs: firstFailureMs === 0 ? nowMs : firstFailureMs,
    lastFailureMs: nowMs,
    fence: slot.fence,
    dueMs: 0,
    past: withFailure(past, { error, attempt, atMs: nowMs, consumer }),
  };
}

export const expiredState: MessageState = {
  state: "expired",
  error: errorInfo(new ColloquyError("EXPIRED", "expired before it was offered to anybody")),
};

export const rescindedState: MessageState = {
  state: "rescinded",
  error: errorInfo(new ColloquyError("RESCINDED", "its sender withdrew it before it was started")),
};

export const cancelledState: MessageState = {
  state: "cancelled",
  error: errorInfo(new ColloquyError("CANCELLED", "its sender gave up")),
};

function exhausted(
  { pickups, crashes }: Attempts,
  pickupsMax: number,
  crashesMax: number,
): ErrorInfo | undefined {
  const limit = crashes >= crashesMax ? "crashesMax" : "pickupsMax";
  if (crashes < crashesMax && pickups < pickupsMax) return undefined;
  const message =
    limit === "crashesMax"
      ? `${crashes} receivers vanished while they held it`
      : `offered ${pickups} times, and no handler started`;
  return errorInfo(
    new ColloquyError("AGENT_UNREACHABLE", message, { retryable: false, details: { limit } }),
  );
}

function vanished({ holder }: Slot): ErrorInfo {
  const who = holder === undefined ? "its receiver" : holder.consumer;
  return errorInfo(new ColloquyError("AGENT_UNREACHABLE", `${who} vanished while it held it`));
}

function lostAtMostOnce(): ErrorInfo {
  return errorInfo(
    new ColloquyError("AGENT_UNREACHABLE", "sent at most once, and its receiver ended", {
      retryable: false,
    }),
  );
}
