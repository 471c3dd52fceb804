/**
 * One piece of work for a handler. Where it came from (an agent of this process, another process, a
 * mailbox) decides what its end means; who handles it need not know.
 */
import type { Claim, Lane } from "../broker/broker.ts";
import type { ColloquyError, TimeoutOutcome } from "../errors.ts";
import type { Envelope, Priority } from "../message/envelope.ts";
import type { ActivityFigures } from "./activity.ts";
import type { Mandate, Run } from "./causality/mandate.ts";
import type { WorkReference } from "./causality/waits.ts";
import type { StagedEffect } from "./effects.ts";
import type { AskOptions } from "./requests/questions.ts";

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
  /** Whether a handler has been started, as known here; "done" from its end on, or once it is given up. */
  readonly outcome: TimeoutOutcome;
  /** Its handler runs and takes none of its agent's places, or has ended. */
  placeless: boolean;
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

/** What a handler waits for: a request or stream that it has made, or whatever else ends by itself. */
export interface Cancellable {
  cancel(reason: ColloquyError): void;
  /** The work that must end for it to end; undefined where it goes on whatever becomes of other work. */
  readonly waitsFor: Work | WorkReference | undefined;
}

export function beginCall(cause: Work, call: Cancellable): void {
  cause.calls ??= new Set();
  cause.calls.add(call);
  if (cause.run !== undefined) cause.run.changes++;
}

export function endCall(cause: Work, call: Cancellable): void {
  cause.calls?.delete(call);
  if (cause.run !== undefined) cause.run.changes++;
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
  /** Handlers that may run at a time. */
  readonly capacity: number;
  readonly running: number;
  /** Work that waits for a free handler. */
  readonly queued: number;
  readonly activity: ActivityFigures;
  /** Takes the work, sooner or later; every outcome, refusals too, goes to the work itself. */
  accept(work: Work): void;
}

export const laneOf: Readonly<Record<Priority, Lane>> = { critical: 0, high: 1, normal: 2, low: 3 };

export const noEffects: readonly never[] = Object.freeze([]);
