/**
 * What a handler asks its asker in the middle of the work. A question stays open until it is answered,
 * given up, or the work ends; whoever takes the asker's place is asked it again.
 */
import { ColloquyError, type ErrorInfo, errorFromInfo } from "../../errors.ts";
import { onAbort } from "../../runtime/abort.ts";
import type { Clock } from "../../runtime/clock.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { cancelledBecause } from "../failures.ts";

export interface AskOptions {
  /** How long to wait for the answer, milliseconds. Default: as long as the work may take. */
  readonly timeoutMs?: number;
  /** Gives the question up. */
  readonly signal?: AbortSignal;
}

/** How a question was answered. */
export type Given =
  | { readonly kind: "answer"; readonly answer: unknown }
  | { readonly kind: "failed"; readonly error: ErrorInfo }
  /** Nobody there takes questions. */
  | { readonly kind: "declined" };

export interface QuestionsOptions {
  readonly clock: Clock;
  /** Of the request, for people. */
  readonly name: string;
  /** Puts a question to whoever waits for the work. */
  readonly pose: (number: number, question: unknown) => void;
  /** The first question is open, or none is any more. */
  readonly onWaiting: (waiting: boolean) => void;
}

interface Open {
  readonly question: unknown;
  readonly answer: Deferred<unknown>;
}

export class Questions {
  readonly #options: QuestionsOptions;
  readonly #open = new Map<number, Open>();
  #number = 0;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  get waiting(): boolean {
    return this.#open.size > 0;
  }

  /**
   * Resolves with the answer; rejects as whoever is asked failed, with UNSUPPORTED where nobody takes
   * questions, TIMEOUT, CANCELLED, or the reason for which the work ended.
   */
  async ask(question: unknown, { timeoutMs, signal }: AskOptions): Promise<unknown> {
    const { clock, name, pose, onWaiting } = this.#options;
    if (signal?.aborted === true) throw cancelledBecause(`a question of ${name}`, signal.reason);
    const number = ++this.#number;
    const answer = new Deferred<unknown>();
    this.#open.set(number, { question, answer });
    const forget = onAbort(signal, () =>
      answer.reject(cancelledBecause(`a question of ${name}`, signal?.reason)),
    );
    const timer =
      timeoutMs === undefined
        ? undefined
        : clock.setTimer(timeoutMs, () => answer.reject(unanswered(name, timeoutMs)));
    try {
      if (this.#open.size === 1) onWaiting(true);
      pose(number, question);
      return await answer.promise;
    } finally {
      timer?.cancel();
      forget();
      if (this.#open.delete(number) && this.#open.size === 0) onWaiting(false);
    }
  }

  /** A question that is not open any more has been answered, or given up. */
  answer(number: number, given: Given): void {
    const answer = this.#open.get(number)?.answer;
    if (given.kind === "answer") answer?.resolve(given.answer);
    else
      answer?.reject(
        given.kind === "failed" ? errorFromInfo(given.error) : declined(this.#options.name),
      );
  }

  /** Puts what is open once more. */
  poseAgain(): void {
    for (const [number, { question }] of this.#open) this.#options.pose(number, question);
  }

  /** The work has ended. */
  end(reason: ColloquyError): void {
    for (const { answer } of this.#open.values()) answer.reject(reason);
  }
}

export function declined(name: string): ColloquyError<"UNSUPPORTED"> {
  return new ColloquyError("UNSUPPORTED", `who asked for ${name} takes no questions (onInput)`, {
    details: { name, feature: "onInput" },
  });
}

function unanswered(name: string, waitedMs: number): ColloquyError<"TIMEOUT"> {
  return new ColloquyError("TIMEOUT", `${name}: its question was not answered for ${waitedMs} ms`, {
    details: { name, waitedMs },
  });
}
