/**
 * One piece of work for a handler. Where it came from (an agent of this process, another process, a
 * mailbox) decides what its end means; who handles it need not know.
 */
import type { Claim, Lane } from "../broker/broker.ts";
import type { ColloquyError } from "../errors.ts";
import type { Envelope, Priority } from "../message/envelope.ts";
import type { Mandate, Run } from "./causality/mandate.ts";
import type { StagedEffect } from "./effects.ts";
import type { AskOptions } from "./questions.ts";

export interface Work {
  readonly kind: "request" | "stream" | "command";
  /** Method or command. */
  readonly name: string;
  readonly lane: Lane;
  /** Decoded when first read. @throws SERIALIZATION_ERROR or INVALID_MESSAGE. */
  readonly input: unknown;
  /** Made when first read. */
  readonly message: Envelope;
  /** Wall clock when the work must have ended; Infinity where nobody set a deadline. */
  readonly deadlineAtMs: number;
  /** What it may cause; undefined where nobody limited that. */
  readonly mandate: Mandate | undefined;
  /** Made when its handler first calls out. */
  run: Run | undefined;
  /** Wall clock when a handler must have started; `deadlineAtMs` or before. */
  readonly startByMs: number;
  /** 1 for the first start. */
  readonly attempt: number;
  /** Of durable work: the attempt at the message, for fencing. */
  readonly claim: Claim | undefined;
  /** Set once the caller has given up. */
  readonly cancelled: ColloquyError | undefined;
  /** Called when the caller gives up. */
  onCancelled: ((reason: ColloquyError) => void) | undefined;
  /** What the handler has asked for and has no answer to: cancelled with the work. Made with the first. */
  calls: Set<Cancellable> | undefined;

  /** The handler is about to run. */
  started(): void;
  /** Sign of life with news: restarts the caller's idle timer. */
  progress(data: unknown): void;
  /** Of a stream that another handler had begun: the last chunk its reader has. */
  readonly resumeFrom?: number | undefined;
  /** Another may go on with the stream where this process ends. */
  beResumable?(): void;
  /** Asks whoever waits for the work; absent where nobody can be asked. See `Context.ask`. */
  ask?(question: unknown, options: AskOptions): Promise<unknown>;
  /** The handler's answer in chunks. Resolves when nothing more will be read from `chunks`; never rejects. */
  answerWith(chunks: AsyncIterable<unknown>, effects: () => readonly StagedEffect[]): Promise<void>;
  /** @returns a promise only where the answer takes time to be safe. */
  succeed(result: unknown, effects: readonly StagedEffect[]): Promise<void> | undefined;
  /** @param error - whatever was thrown. */
  fail(error: unknown): void;
}

/** A request or stream that a handler has made. */
export interface Cancellable {
  cancel(reason: ColloquyError): void;
}

/** The caller has given up: tells the handler, and whoever works for it. */
export function cancelWork(work: Work, reason: ColloquyError): void {
  const { calls } = work;
  work.calls = undefined;
  work.onCancelled?.(reason);
  if (calls !== undefined) for (const call of calls) call.cancel(reason);
}

/** An agent of this process, as the exchange sees it. */
export interface LocalAgent {
  readonly id: string;
  readonly type: string;
  /** Takes the work, sooner or later; every outcome, refusals too, goes to the work itself. */
  accept(work: Work): void;
}

export const laneOf: Readonly<Record<Priority, Lane>> = { critical: 0, high: 1, normal: 2, low: 3 };

export const noEffects: readonly never[] = Object.freeze([]);
