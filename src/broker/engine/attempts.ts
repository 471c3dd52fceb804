/** How attempts end: what happens to a message that comes back, dies or is final. */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../errors.ts";
import type { Attempts, MessageState } from "../broker.ts";
import type { Core } from "./core.ts";
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
  const { outcomes } = core;
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
export function retry(core: Core, group: Group, queue: Queue, slot: Slot, delayMs: number): void {
  const history = failed(slot, group.nowMs, { failures: slot.history.attempts.failures + 1 });
  const dueMs = group.nowMs + Math.max(0, delayMs);
  core.changes.of(queue, group).giveBack(slot, { ...history, dueMs });
}

/** Nobody started it, says who had it: the message goes back at once. */
export function release(core: Core, group: Group, queue: Queue, slot: Slot): void {
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
  } else if (end === "release") {
    release(core, group, queue, slot);
  } else {
    const crashes = slot.history.attempts.crashes + 1;
    comeBack(core, group, queue, slot, failed(slot, group.nowMs, { crashes }));
  }
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
export function failed(slot: Slot, nowMs: number, more: Partial<Attempts>): History {
  const { attempts, firstFailureMs } = slot.history;
  return {
    attempts: { ...attempts, ...more },
    firstFailureMs: firstFailureMs === 0 ? nowMs : firstFailureMs,
    lastFailureMs: nowMs,
    fence: slot.fence,
    dueMs: 0,
  };
}

export const expiredState: MessageState = {
  state: "expired",
  error: errorInfo(new ColloquyError("EXPIRED", "expired before it was offered to anybody")),
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

function lostAtMostOnce(): ErrorInfo {
  return errorInfo(
    new ColloquyError("AGENT_UNREACHABLE", "sent at most once, and its receiver ended", {
      retryable: false,
    }),
  );
}
