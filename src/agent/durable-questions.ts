/**
 * What the handler of a command asks. A run's first question is number 1, and so on: a handler that
 * starts over is given the answers that earlier runs got, each to the question of its number.
 */
import type { Answer, ReportOutcome } from "../broker/broker.ts";
import { ColloquyError, errorFromInfo } from "../errors.ts";
import { packValue, unpackValue } from "../exchange/packed.ts";
import type { AskOptions } from "../exchange/requests/questions.ts";
import { cancelledError, onAbort } from "../runtime/abort.ts";
import type { Clock, Timer } from "../runtime/clock.ts";

export interface DurableQuestionsOptions {
  readonly clock: Clock;
  /** Makes the question durable. */
  readonly ask: (number: number, question: Uint8Array) => Promise<ReportOutcome>;
  /** The handler goes on without an answer. */
  readonly goesOn: () => void;
}

interface Pending {
  readonly number: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class DurableQuestions {
  readonly #options: DurableQuestionsOptions;
  readonly #answers = new Map<number, Uint8Array>();
  #asked = 0;
  #pending: Pending | undefined;

  constructor(options: DurableQuestionsOptions) {
    this.#options = options;
  }

  /** The handler waits. */
  get open(): boolean {
    return this.#pending !== undefined;
  }

  answered({ number, data }: Answer): void {
    this.#answers.set(number, data);
    if (this.#pending?.number === number) this.#pending.resolve(unpackValue(data));
  }

  /** The handler waits no longer. */
  end(error: ColloquyError): void {
    this.#pending?.reject(error);
  }

  /** @throws CONFLICT while another question is open, TIMEOUT, CANCELLED, STALE_ATTEMPT, QUEUE_FULL. */
  async ask(question: unknown, { timeoutMs, signal }: AskOptions): Promise<unknown> {
    if (this.open) {
      throw new ColloquyError("CONFLICT", "a handler asks one question at a time");
    }
    const data = packValue(question);
    const number = ++this.#asked;
    const known = this.#answers.get(number);
    if (known !== undefined) return unpackValue(known);
    let timer: Timer | undefined;
    let forget = () => {};
    try {
      return await new Promise<unknown>((resolve, reject) => {
        this.#pending = { number, resolve, reject };
        if (timeoutMs !== undefined) {
          timer = this.#options.clock.setTimer(timeoutMs, () => reject(unanswered(timeoutMs)));
        }
        if (signal !== undefined) forget = onAbort(signal, () => reject(cancelledError(signal)));
        this.#options.ask(number, data).then((outcome) => refuse(outcome, reject), reject);
      });
    } catch (error) {
      this.#options.goesOn();
      throw error;
    } finally {
      this.#pending = undefined;
      timer?.cancel();
      forget();
    }
  }
}

function refuse(outcome: ReportOutcome, reject: (error: unknown) => void): void {
  if (outcome.kind === "refused" || outcome.kind === "indeterminate") {
    reject(errorFromInfo(outcome.error));
  } else if (outcome.kind === "stale") {
    reject(new ColloquyError("STALE_ATTEMPT", "the message is final, or a later attempt's"));
  }
}

function unanswered(timeoutMs: number): ColloquyError<"TIMEOUT"> {
  return new ColloquyError("TIMEOUT", `no answer for ${timeoutMs} ms`, {
    details: { outcome: "in-progress", waitedMs: timeoutMs },
  });
}
