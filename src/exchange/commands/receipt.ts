/** What a sender holds of a durable message: proof that it is stored, and the way to its outcome. */
import type {
  Attempts,
  CancelOptions,
  Durability,
  MessageState,
  TrackOptions,
} from "../../broker/broker.ts";
import { ColloquyError, type ErrorInfo, errorInfo } from "../../errors.ts";
import {
  abortSignal,
  type Checks,
  checkOptions,
  signalOf,
  text,
  wholeNumber,
} from "../../message/checks.ts";
import { textOfBytes } from "../../message/text.ts";
import { onAbort, type WaitOptions } from "../../runtime/abort.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";
import { packValue, unpackValue } from "../packed.ts";
import type { CancelOutcome } from "../requests/stream.ts";
import type { Site } from "../site.ts";

/** The final state of a message, or "unknown" when it became final longer ago than outcomes are kept. */
export type Outcome<Result = unknown> =
  | { readonly state: "done"; readonly result: Result }
  | {
      readonly state: "failed" | "dead" | "expired" | "cancelled" | "rescinded";
      readonly error: ErrorInfo;
    }
  | { readonly state: "unknown" };

/** A state that is not final. */
export type Progress =
  | {
      readonly state: "queued" | "offered" | "started";
      readonly attempts: Attempts;
      /** The last that the handler reported with `context.progress`. */
      readonly progress?: unknown;
    }
  /** The handler has asked `question`; `receipt.answer` goes on. */
  | {
      readonly state: "waiting-input";
      readonly attempts: Attempts;
      readonly question: unknown;
      /** Which of its questions it is, counted from 1. */
      readonly number: number;
    };

export interface ReceiptCancelOptions extends WaitOptions {
  /** For the handler and for whoever asks later. */
  readonly reason?: string;
}

export interface AnswerOptions extends WaitOptions {
  /**
   * The question that is answered, as its state said it. Without it, whatever is asked at the moment,
   * which may no longer be what the answerer saw: an answer that seemed to fail may have been taken.
   */
  readonly number?: number;
}

export type RescindOutcome = "rescinded" | "too-late" | "unreachable";

/** Where a message lies. */
export interface Locator {
  readonly queue: string;
  readonly position: number;
  readonly messageId: string;
}

const cancelChecks: Checks<ReceiptCancelOptions> = { reason: text, signal: abortSignal };
const answerChecks: Checks<AnswerOptions> = { number: wholeNumber(1), signal: abortSignal };

const untilFinal: TrackOptions = Object.freeze({ wait: true });

/** Changes that wait for whoever reads them. */
const updatesMax = 1_000;

export class Receipt<Result = unknown> {
  readonly messageId: string;
  /** It had been stored before under this id, and was not stored again. */
  readonly duplicate: boolean;
  readonly #site: Site;
  readonly #locator: Locator;

  constructor(site: Site, locator: Locator, duplicate = false) {
    this.#site = site;
    this.#locator = locator;
    this.messageId = locator.messageId;
    this.duplicate = duplicate;
  }

  /** Names the message in every process and after every restart: `net.track(id)`. Opaque. */
  get id(): string {
    return formatReceiptId(this.#locator);
  }

  /** What the stored message survives. */
  get durability(): Durability {
    return this.#site.broker.capabilities.durability.level;
  }

  /** The state now. Whoever holds the message is asked whether its handler has started. */
  async state(options: WaitOptions = {}): Promise<Outcome<Result> | Progress> {
    const { queue, position } = this.#locator;
    const signal = signalOf(options);
    const state = await this.#site.broker.queues.track(queue, position, { signal });
    return shown(state) as Outcome<Result> | Progress;
  }

  /**
   * The state now, then each change, the final one included; ends after that, or when `signal` aborts.
   * Of more than 1,000 changes that nobody has read yet the oldest are left out.
   */
  updates(options: WaitOptions = {}): AsyncIterableIterator<Outcome<Result> | Progress> {
    const signal = signalOf(options);
    const { queue, position } = this.#locator;
    const leaving = new AbortController();
    const updates = new AsyncQueue<Outcome<Result> | Progress>({ onStop: () => leaving.abort() });
    const forget = onAbort(signal, () => {
      updates.end();
      leaving.abort();
    });
    let last = "";
    const push = (state: MessageState): void => {
      // After a reconnect the state is told again.
      const summary = summaryOf(state);
      if (summary !== last) {
        if (updates.size >= updatesMax) {
          for (const newer of updates.takeAll().slice(1)) updates.push(newer);
        }
        updates.push(shown(state) as Outcome<Result> | Progress);
      }
      last = summary;
    };
    const onChange = (state: MessageState): void => {
      try {
        push(state);
      } catch (error) {
        updates.fail(error);
      }
    };
    const following = { wait: true, onChange, signal: leaving.signal };
    this.#site.broker.queues
      .track(queue, position, following)
      .then((state) => {
        push(state);
        updates.end();
      })
      .catch((error: unknown) => updates.fail(error))
      .finally(forget);
    return updates;
  }

  /** Resolves with the outcome once it is final; rejects only with CANCELLED, CLOSED or a failure of the broker. */
  settled(options?: WaitOptions): Promise<Outcome<Result>> {
    const { queue, position } = this.#locator;
    if (options !== undefined) {
      try {
        signalOf(options);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    const waiting = options === undefined ? untilFinal : { ...untilFinal, ...options };
    const final = this.#site.broker.queues.track(queue, position, waiting);
    return final.then(outcomeOf) as Promise<Outcome<Result>>;
  }

  /**
   * Gives the message up, whatever has become of it. Accepted, it ends as "cancelled": its handler's
   * signal aborts, and nothing that the handler staged or returns counts. Safe to repeat.
   */
  async cancel(options: ReceiptCancelOptions = {}): Promise<CancelOutcome> {
    const { queue, position } = this.#locator;
    const asked = cancelOptions("CANCELLED", options);
    const outcome = await this.#site.broker.queues.cancel(queue, position, asked);
    if (outcome === "cancelled") return "accepted";
    return outcome === "unknown" ? "unreachable" : "too-late";
  }

  /** Takes the message back unless a handler has ever started it. Safe to repeat. */
  async rescind(options: ReceiptCancelOptions = {}): Promise<RescindOutcome> {
    const { queue, position } = this.#locator;
    const asked = { ifUnstarted: true, ...cancelOptions("RESCINDED", options) };
    const outcome = await this.#site.broker.queues.cancel(queue, position, asked);
    if (outcome === "unknown") return "unreachable";
    return outcome === "rescinded" ? "rescinded" : "too-late";
  }

  /**
   * Answers what the handler has asked; resolves once the answer is safe.
   *
   * @returns "too-late" when the message is final, or somebody else has answered.
   * @throws CONFLICT when it asks nothing, or has not asked `number`; SERIALIZATION_ERROR; INDETERMINATE
   *   when a connection broke meanwhile, and then somebody's answer, maybe this one, had been taken.
   */
  async answer(value: unknown, options: AnswerOptions = {}): Promise<"accepted" | "too-late"> {
    const { queue, position } = this.#locator;
    checkOptions(options, answerChecks);
    const data = packValue(value);
    const { signal } = options;
    const number = options.number ?? (await this.#openQuestion(signal));
    if (number === undefined) return "too-late";
    const { queues } = this.#site.broker;
    const outcome = await queues.answer(queue, position, { number, data }, signal);
    if (outcome !== "unknown") return outcome;
    throw new ColloquyError("CONFLICT", `${this.messageId} has not asked question ${number}`, {
      details: { field: "number", value: number },
    });
  }

  /** @returns undefined when the message is final. */
  async #openQuestion(signal: AbortSignal | undefined): Promise<number | undefined> {
    const { queue, position } = this.#locator;
    const state = await this.#site.broker.queues.track(queue, position, { signal });
    if (state.state === "waiting-input") return state.number;
    if (!("attempts" in state)) return undefined;
    throw new ColloquyError("CONFLICT", `${this.messageId} is ${state.state} and asks nothing`, {
      details: { state: state.state },
    });
  }
}

function cancelOptions(
  code: "CANCELLED" | "RESCINDED",
  options: ReceiptCancelOptions,
): CancelOptions {
  checkOptions(options, cancelChecks);
  const { reason, signal } = options;
  if (reason === undefined) return { signal };
  return { signal, reason: errorInfo(new ColloquyError(code, reason)) };
}

function summaryOf(state: MessageState): string {
  return JSON.stringify(state, (_key, value: unknown) =>
    value instanceof Uint8Array ? textOfBytes(value, 0, value.length) : value,
  );
}

function shown(state: MessageState): Outcome | Progress {
  if (!("attempts" in state)) return outcomeOf(state);
  const { attempts } = state;
  if (state.state === "waiting-input") {
    const { number, question } = state;
    return { state: state.state, attempts, number, question: unpackValue(question) };
  }
  const { state: name, progress } = state;
  if (progress === undefined) return { state: name, attempts };
  return { state: name, attempts, progress: unpackValue(progress) };
}

function outcomeOf(state: MessageState): Outcome {
  switch (state.state) {
    case "done":
      return {
        state: "done",
        result: state.result === undefined ? undefined : unpackValue(state.result),
      };
    case "failed":
    case "dead":
    case "expired":
    case "cancelled":
    case "rescinded":
      return { state: state.state, error: state.error };
    default:
      return { state: "unknown" };
  }
}

/** What `parseReceiptId` reads. */
export function formatReceiptId({ queue, position, messageId }: Locator): string {
  return `${position.toString(36)},${messageId},${queue}`;
}

/** No id and no name of a queue has a comma. */
const receiptPattern = /^([0-9a-z]{1,11}),([^,]{1,128}),([^,]+)$/;

/** @throws INVALID_OPTION when the text is no receipt id. */
export function parseReceiptId(id: string): Locator {
  const [, position = "", messageId = "", queue = ""] = receiptPattern.exec(id) ?? [];
  if (queue === "") {
    throw new ColloquyError(
      "INVALID_OPTION",
      `not the id of a receipt: "${String(id).slice(0, 200)}"`,
      {
        details: { field: "id" },
      },
    );
  }
  return { queue, position: Number.parseInt(position, 36), messageId };
}
