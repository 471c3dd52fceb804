/**
 * What is known of a message in somebody's hands beyond that: made for those that somebody follows or
 * withdraws, and those that wait for input. Volatile, and over with the attempt.
 */
import type { CancelOutcome } from "../broker.ts";

export class Story {
  /** Undefined while nobody knows whether a handler has started. */
  phase: "started" | "waiting-input" | undefined = undefined;
  progress: Uint8Array | undefined = undefined;
  /** Its holder reports what becomes of it. */
  followed = false;
  /** Those who want it back unless it was started. */
  readonly withdrawals: Withdrawal[] = [];
}

export interface Withdrawal {
  readonly tell: (outcome: CancelOutcome) => void;
  /** The message was put back as if it had not been offered: decides anew. */
  readonly again: () => void;
}
