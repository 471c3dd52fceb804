/** Requests that wait for their answers: one inbox, one token each, one clock for all of them. */
import type { ColloquyError } from "../../errors.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { NatsMessage } from "./client.ts";

/** What a request comes to. */
export interface Waiting {
  /** @returns true when more answers are to come. */
  answered(message: NatsMessage): boolean;
  /**
   * No answer came in time, or none can come any more.
   *
   * @param refusal - the server did not even take the request.
   */
  failed(why: Failure, refusal?: ColloquyError): void;
}

export type Failure =
  | "time ran out"
  | "the connection was lost"
  | "the broker was closed"
  | "another leader was elected"
  | "it was refused";

interface Entry {
  readonly subject: string;
  readonly waiting: Waiting;
  readonly untilMs: number;
}

/** How late a request may notice that its time is over. */
const sweepMs = 250;

export class Requests {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** In the order in which their time runs out, as all have the same. */
  readonly #waiting = new Map<string, Entry>();
  #sweep: Timer | undefined;
  #tokens = 0;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** @returns the token under which answers come. */
  add(subject: string, waiting: Waiting): string {
    const token = (++this.#tokens).toString(36);
    const untilMs = this.#clock.monotonicMs() + this.#timeoutMs;
    this.#waiting.set(token, { subject, waiting, untilMs });
    this.#sweep ??= this.#clock.setTimer(sweepMs, () => this.#expire());
    return token;
  }

  /** Whatever it would have come to is nobody's. */
  forget(token: string): void {
    this.#waiting.delete(token);
  }

  answer(token: string, message: NatsMessage): void {
    const entry = this.#waiting.get(token);
    if (entry === undefined) return;
    if (!entry.waiting.answered(message)) this.#waiting.delete(token);
  }

  /** The server says that this process must not publish to `subject`; not which of its requests that was. */
  refuse(subject: string, error: ColloquyError): void {
    for (const [token, entry] of this.#waiting) {
      if (entry.subject !== subject) continue;
      this.#waiting.delete(token);
      entry.waiting.failed("it was refused", error);
    }
  }

  /** Those whose subject `concerns`. */
  failSome(why: Failure, concerns: (subject: string) => boolean): void {
    for (const [token, { subject, waiting }] of this.#waiting) {
      if (!concerns(subject)) continue;
      this.#waiting.delete(token);
      waiting.failed(why);
    }
  }

  failAll(why: Failure): void {
    const entries = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#sweep?.cancel();
    this.#sweep = undefined;
    for (const { waiting } of entries) waiting.failed(why);
  }

  #expire(): void {
    this.#sweep = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const [token, { waiting, untilMs }] of this.#waiting) {
      if (untilMs > nowMs) break;
      this.#waiting.delete(token);
      waiting.failed("time ran out");
    }
    if (this.#waiting.size > 0) {
      this.#sweep = this.#clock.setTimer(sweepMs, () => this.#expire());
    }
  }
}
