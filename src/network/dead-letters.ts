/** Dead letters of every mailbox: kept until a person decides. */
import type { Attempts, DeadLetter as DeadLetterPort, Failure } from "../broker/broker.ts";
import { deadLetterTopic } from "../broker/dead-letter-topic.ts";
import { type ErrorInfo, invalidOption } from "../errors.ts";
import type { Site } from "../exchange/site.ts";
import { assertSingleAddress, type SingleAddress } from "../message/address.ts";
import {
  abortSignal,
  type Checks,
  checkedWithin,
  checkOptions,
  signalOf,
  wholeNumber,
} from "../message/checks.ts";
import type { Envelope } from "../message/envelope.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { decodePayload } from "../message/payload.ts";
import { onAbort, type WaitOptions } from "../runtime/abort.ts";
import { Deferred } from "../runtime/deferred.ts";
import { replayEdited } from "./replay-edited.ts";

export interface DeadLetter {
  /** Names it to `show`, `replay` and `purge`; counts up. */
  readonly id: number;
  /** The mailbox it came from. */
  readonly address: string;
  readonly error: ErrorInfo;
  readonly attempts: Attempts;
  readonly firstFailureMs: number;
  readonly lastFailureMs: number;
  /** How its attempts failed, the latest 20, oldest first. */
  readonly history: readonly Failure[];
  /** Absent when the message cannot be decoded: that may be why it is here. */
  readonly message: Envelope | undefined;
  readonly payload: unknown;
  /** The message as it was stored. */
  readonly frame: Uint8Array;
}

export interface DeadLetterQuery {
  /** Those of this mailbox only. */
  readonly address?: SingleAddress;
  /** Those with a higher id. */
  readonly after?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ReplayOptions extends WaitOptions {
  /** What it is sent again with. Default: as it was. */
  readonly payload?: unknown;
}

export interface DeadLetterRange extends DeadLetterQuery {
  /** So many at most; 0 or more. */
  readonly limit?: number;
}

const letterNumber = wholeNumber(0);

const queryChecks: Checks<DeadLetterQuery> = {
  address: (field, value) => assertSingleAddress(value, field),
  after: letterNumber,
  signal: abortSignal,
};
const rangeChecks: Checks<DeadLetterRange> = { ...queryChecks, limit: wholeNumber(0) };
const replayChecks: Checks<ReplayOptions> = { payload: checkedWithin, signal: abortSignal };

export class DeadLetters {
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  /** Oldest first; looking changes nothing. @throws INVALID_OPTION, CANCELLED. */
  async *list(range: DeadLetterRange = {}): AsyncGenerator<DeadLetter> {
    checkOptions(range, rangeChecks);
    const { signal = new AbortController().signal, after = 0, address } = range;
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    if (left === 0) return;
    for await (const letters of this.#site.broker.queues.deadLetters({ after }, signal)) {
      for (const letter of letters) {
        const from = this.#site.space.addressOf(letter.queue);
        if (from === undefined || (address !== undefined && from !== address)) continue;
        yield shown(letter, from);
        if (--left <= 0) return;
      }
    }
  }

  /** One of them; undefined when it was replayed, purged, or never there. */
  async show(id: number, options: WaitOptions = {}): Promise<DeadLetter | undefined> {
    letterNumber("id", id);
    const signal = signalOf(options);
    for await (const letter of this.list({ after: id - 1, limit: 1, signal })) {
      if (letter.id === id) return letter;
    }
    return undefined;
  }

  /**
   * Those that are there, then each that comes, until `signal` aborts or the loop is left. One that was
   * put back or deleted in between is not shown.
   *
   * @throws CLOSED when the network closes.
   */
  async *watch(query: DeadLetterQuery = {}): AsyncGenerator<DeadLetter> {
    checkOptions(query, queryChecks);
    const stop = new AbortController();
    const forget = onAbort(query.signal, () => stop.abort());
    let news = new Deferred();
    const look = () => news.resolve();
    const ended = onAbort(stop.signal, look);
    let { after = 0 } = query;
    try {
      await this.#onArrival(look, stop.signal);
      while (!stop.signal.aborted) {
        news = new Deferred();
        for await (const letter of this.list({ ...query, after, signal: stop.signal })) {
          after = letter.id;
          yield letter;
        }
        await news.promise;
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      ended();
      forget();
      stop.abort();
    }
  }

  /**
   * Puts one or several back into their mailboxes as new messages. With a `payload` it is one, which is
   * sent again with that payload instead, as a new message of the same sender.
   *
   * @returns how many there were.
   * @throws CANCELLED, INVALID_OPTION. With a payload also INVALID_MESSAGE when what is stored cannot be
   *   decoded, and CONFLICT when it was sent again before with another payload, and only the letter was left.
   */
  async replay(ids: number | readonly number[], options: ReplayOptions = {}): Promise<number> {
    checkOptions(options, replayChecks);
    const { signal } = options;
    const all = checkedIds(ids);
    if (!("payload" in options)) return this.#site.broker.queues.replay(all, signal);
    const [id] = all;
    if (id === undefined || all.length > 1) {
      throw invalidOption("payload", options.payload, "for several letters");
    }
    const letter = await this.show(id, { signal });
    return letter === undefined ? 0 : replayEdited(this.#site, letter, options.payload, signal);
  }

  /** Deletes one or several for good. @returns how many there were. @throws CANCELLED, INVALID_OPTION. */
  async purge(ids: number | readonly number[], options: WaitOptions = {}): Promise<number> {
    return this.#site.broker.queues.purge(checkedIds(ids), signalOf(options));
  }

  /** Calls `look` when dead letters have come, or may have while the broker was lost, and at its close. */
  async #onArrival(look: () => void, signal: AbortSignal): Promise<void> {
    const { broker } = this.#site;
    await broker.topics.subscribe(deadLetterTopic, look, signal);
    const follow = async () => {
      for await (const { kind } of broker.statuses(signal)) if (kind !== "lost") look();
    };
    follow().catch((error: unknown) => this.#site.onError(error, "dead letters"));
  }
}

function checkedIds(ids: number | readonly number[]): readonly number[] {
  const all = Array.isArray(ids) ? (ids as readonly number[]) : [ids as number];
  for (const id of all) letterNumber("id", id);
  return all;
}

function shown(letter: DeadLetterPort, address: string): DeadLetter {
  const { number: id, error, attempts, firstFailureMs, lastFailureMs, history, frame } = letter;
  return {
    id,
    address,
    error,
    attempts,
    firstFailureMs,
    lastFailureMs,
    history,
    frame,
    ...contents(frame),
  };
}

function contents(frame: Uint8Array): Pick<DeadLetter, "message" | "payload"> {
  try {
    const { envelope, payload } = decodeMessage(frame);
    return { message: envelope, payload: decodePayload(payload) };
  } catch {
    return { message: undefined, payload: undefined };
  }
}
