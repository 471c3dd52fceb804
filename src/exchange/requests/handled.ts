/** Requests and streams as their ids find them: what can be asked of the process that handles them. */
import type { ColloquyError, TimeoutOutcome } from "../../errors.ts";
import type { Given } from "./questions.ts";

/** Who may attach to one request. */
export const readersMax = 1_000;

/** Work that has not ended. */
export interface Handled {
  /** What there is to say about it now. */
  readonly outcome: TimeoutOutcome;
  /**
   * Does nothing where it is too late.
   *
   * @param isTold - whoever waits has to learn of it, because it is not who cancels.
   */
  cancel(reason: ColloquyError, isTold?: boolean): void;
  /**
   * Whoever waited has stopped: the work goes on all the same.
   *
   * @param reader - of one who attached.
   */
  leave(reader?: string): void;
  /**
   * Tells `reader` from here on what becomes of it; of a stream the chunks behind number `after`, and
   * nobody else gets them any more.
   *
   * @param credit - chunks up to this sequence may be sent.
   */
  attach(reader: Reader, after: number, credit: number): void;
  /** Those who attached. */
  readonly readers: readonly Reader[];
  /** Chunks up to this sequence may be sent. */
  grant(credit: number): void;
  /** To a question of the handler. */
  answer(number: number, given: Given): void;
}

export type WorkState = "queued" | "started" | "waiting-input";

/** Somebody who has attached. */
export interface Reader {
  /** The same reader attaches again under the same id, where messages may have been lost. */
  readonly id: string;
  /** The life of the process it belongs to. */
  readonly instance: string;
  /** Finds out whether that process is still there. */
  probe(onUnheard: () => void): void;
  /** @param after - the first chunk that is told has the next number: those before are gone. */
  accepted(state: WorkState, after: number): void;
  ask(number: number, question: unknown): void;
  progress(data: unknown): void;
  chunk(sequence: number, chunk: unknown): void;
  /** @param sequence - of the last chunk; 0 without chunks. */
  end(result: unknown, sequence: number): void;
  fail(error: unknown): void;
}

/** How long the answer of what was left is kept for those who attach, and a stream without a reader. */
export const keptMs = 30_000;
