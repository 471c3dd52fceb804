/** What has to become of a message that has just come: a pure decision on what is known of it. */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../../errors.ts";
import type { Attempts } from "../../broker.ts";
import { withFailure } from "./failures.ts";
import { firstLife, isFinal, type LiveRecord, openQuestion, type RecordAt } from "./record.ts";
import type { WorkMessage } from "./work-message.ts";

export type Verdict =
  /** Its end is recorded, and it is still there. */
  | { readonly kind: "remove" }
  | { readonly kind: "expire" }
  /** Sent at most once, and somebody has had it. */
  | { readonly kind: "lost" }
  | { readonly kind: "later"; readonly delayMs: number }
  /** Nobody has had it: the attempt needs no record. `ask`: somebody may be about to offer it. */
  | { readonly kind: "first"; readonly ask: boolean }
  /** Somebody may have had it: the attempt begins with a record. `ask`: may still have it. */
  | { readonly kind: "again"; readonly ask: boolean };

export interface Facts {
  readonly message: WorkMessage;
  readonly deliveries: number;
  readonly record: RecordAt | undefined;
  readonly nowMs: number;
  /** The server may have delivered it before, and have forgotten that when it crashed. */
  readonly isSuspect: boolean;
  /** Somebody it was delivered to may have offered it: see offered-marks.ts. */
  readonly mayBeOffered: boolean;
}

export const pickupsMax = 20;
export const crashesMax = 3;

/** Until its question is answered: whoever answers it wakes it. */
const questionMs = 30_000;

export function judge(facts: Facts): Verdict {
  const { message, deliveries, record: at, nowMs, isSuspect, mayBeOffered } = facts;
  const { expiresAtMs, notBeforeMs, guarantee } = message;
  const record = at?.record;
  if (record !== undefined && isFinal(record)) return { kind: "remove" };
  if (expiresAtMs !== 0 && expiresAtMs <= nowMs) return { kind: "expire" };
  const dueMs = record === undefined ? notBeforeMs : Math.max(notBeforeMs, record.dueMs);
  const untilMs = expiresAtMs === 0 ? dueMs : Math.min(dueMs, expiresAtMs);
  if (dueMs > nowMs) return { kind: "later", delayMs: Math.max(1, untilMs - nowMs) };
  const isFirst = record === undefined && deliveries === 1 && !(isSuspect && mayBeOffered);
  const first = isFirst ? ({ kind: "first", ask: isSuspect } as const) : undefined;
  if (guarantee === "at-most-once") return judgeOnce(message, first, record);
  if (first !== undefined) return first;
  if (record === undefined) return { kind: "again", ask: true };
  if (record.state === "open") return { kind: "again", ask: true };
  if (openQuestion(record) > 0) return { kind: "later", delayMs: questionMs };
  return { kind: "again", ask: false };
}

/** Sent at most once. One that can be put back unseen is never offered without a record. */
function judgeOnce(
  message: WorkMessage,
  first: Verdict | undefined,
  record: LiveRecord | undefined,
): Verdict {
  if (record === undefined) {
    if (!isPlain(message)) return { kind: "again", ask: false };
    return first ?? { kind: "lost" };
  }
  const isUntouched = record.attempt < 0 || (record.state === "free" && record.unstarted === true);
  return isUntouched ? { kind: "again", ask: false } : { kind: "lost" };
}

/** The server offers it at once, and to nobody who does not want it. */
function isPlain({ keyToken, notBeforeMs }: WorkMessage): boolean {
  return keyToken === undefined && notBeforeMs === 0;
}

/** What the message has been through, when its holder, if it had one, is known to be gone. */
export function pastOf(facts: Facts): LiveRecord {
  const { message, deliveries, record: at, nowMs } = facts;
  const record = (at?.record as LiveRecord | undefined) ?? { ...firstLife, attempt: 0 };
  const vanished = at === undefined ? deliveries > 1 && isPlain(message) : record.state === "open";
  if (!vanished || openQuestion(record) > 0) return record;
  return failed(record, nowMs, vanishedError(record.consumer), {
    crashes: record.attempts.crashes + 1,
  });
}

/** The message after one more attempt that failed. */
export function failed(
  record: LiveRecord,
  nowMs: number,
  error: ErrorInfo,
  more: Partial<Attempts>,
): LiveRecord {
  const { attempts, consumer, history, firstFailureMs } = record;
  const attempt = attempts.failures + attempts.crashes + 1;
  return {
    ...record,
    attempts: { ...attempts, ...more },
    firstFailureMs: firstFailureMs === 0 ? nowMs : firstFailureMs,
    lastFailureMs: nowMs,
    history: withFailure(history, { error, attempt, atMs: nowMs, consumer }),
  };
}

/** Why it is not offered any more. */
export function exhausted({ pickups, crashes }: Attempts): ErrorInfo | undefined {
  if (crashes < crashesMax && pickups < pickupsMax) return undefined;
  const limit = crashes >= crashesMax ? "crashesMax" : "pickupsMax";
  const message =
    limit === "crashesMax"
      ? `${crashes} receivers vanished while they held it`
      : `offered ${pickups} times, and no handler started`;
  return errorInfo(
    new ColloquyError("AGENT_UNREACHABLE", message, { retryable: false, details: { limit } }),
  );
}

function vanishedError(consumer: string): ErrorInfo {
  const who = consumer === "" ? "its receiver" : consumer;
  return errorInfo(new ColloquyError("AGENT_UNREACHABLE", `${who} vanished while it held it`));
}

export const endedErrors: Readonly<
  Record<"expired" | "rescinded" | "cancelled" | "removed" | "stale" | "lost", ErrorInfo>
> = {
  expired: errorInfo(new ColloquyError("EXPIRED", "expired before it was offered to anybody")),
  rescinded: errorInfo(
    new ColloquyError("RESCINDED", "its sender withdrew it before it was started"),
  ),
  cancelled: errorInfo(new ColloquyError("CANCELLED", "its sender gave up")),
  removed: errorInfo(new ColloquyError("STALE_ATTEMPT", "its mailbox was removed")),
  stale: errorInfo(
    new ColloquyError("STALE_ATTEMPT", "the message is final, or a later attempt's"),
  ),
  lost: errorInfo(
    new ColloquyError("AGENT_UNREACHABLE", "sent at most once, and its receiver ended", {
      retryable: false,
    }),
  ),
};
