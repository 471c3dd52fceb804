/** What the programs of the scenarios record: the material of the checkers. */
import type { Guarantee } from "../../broker/broker.ts";
import type { Priority } from "../../message/envelope.ts";
import type { AnyRecorded } from "./history.ts";

/** The process that takes stock, which begins when all else is over. */
export const observerName = "observer";

/** One sending of an order. An exactly-once order is sent again as itself, every other as a new one. */
export interface Sending {
  readonly kind: "sending";
  readonly id: string;
  readonly guarantee: Guarantee;
  readonly priority: Priority;
  /** What has an order of its own: sender, mailbox, key and priority. */
  readonly line?: string;
  readonly notBeforeMs?: number;
  /** By the clock of the sender. */
  readonly expiresAtMs?: number;
}

/** Of a message, named by `id`. */
export type OrderEvent =
  | Sending
  | { readonly kind: "acknowledged"; readonly id: string; readonly receipt: string }
  | { readonly kind: "refused"; readonly id: string; readonly code: string }
  | { readonly kind: "started"; readonly id: string; readonly attempt: number }
  /** What its handler asked in the middle of the work was answered. */
  | {
      readonly kind: "given";
      readonly id: string;
      readonly attempt: number;
      readonly question: string;
      readonly answer: string;
    }
  | { readonly kind: "returned" | "threw"; readonly id: string; readonly attempt: number }
  /** What its receipt says in the end. */
  | { readonly kind: "settled"; readonly id: string; readonly state: string }
  /** A line of the ledger, read in the end. */
  | { readonly kind: "effect"; readonly id: string; readonly attempt: number }
  | { readonly kind: "dead-letter"; readonly id: string; readonly letter: number };

/** Somebody gives a message up, or takes it back. */
export type WithdrawalEvent =
  | { readonly kind: "withdrawing"; readonly id: string; readonly how: "cancel" | "rescind" }
  | {
      readonly kind: "withdrawn";
      readonly id: string;
      readonly how: "cancel" | "rescind";
      readonly answer: string;
    };

/** Of a request or a stream, named by `request`. */
export type RequestEvent =
  | { readonly kind: "asking" | "handling" | "handled"; readonly request: string }
  | { readonly kind: "answered"; readonly request: string; readonly answer: string }
  | {
      readonly kind: "unanswered";
      readonly request: string;
      readonly code: string;
      /** What the error says about the work. */
      readonly outcome?: string;
    }
  /** The chunks of a stream, in the order in which they came, and when each did. */
  | {
      readonly kind: "read";
      readonly request: string;
      readonly chunks: readonly number[];
      readonly cameMs: readonly number[];
    };

/** Of an entry of the store, or a stream of the log, that many write to under a condition. */
export type StateEvent =
  | { readonly kind: "writing"; readonly what: string; readonly value: string }
  /** It has this place now: a revision, or a position. */
  | {
      readonly kind: "written";
      readonly what: string;
      readonly value: string;
      readonly place: number;
    }
  | {
      readonly kind: "unwritten";
      readonly what: string;
      readonly value: string;
      readonly code: string;
    }
  /** Read in the end: all that there is, in order. */
  | { readonly kind: "found"; readonly what: string; readonly values: readonly string[] };

export type ScenarioEvent = OrderEvent | WithdrawalEvent | RequestEvent | StateEvent;

export type ScenarioHistory = readonly AnyRecorded<ScenarioEvent>[];
