/** Dead letters of every mailbox: kept until a person decides. */
import type { Attempts, DeadLetter as DeadLetterPort, Failure } from "../broker/broker.ts";
import type { ErrorInfo } from "../errors.ts";
import type { Site } from "../exchange/site.ts";
import type { Envelope } from "../message/envelope.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { decodePayload } from "../message/payload.ts";

export interface DeadLetter {
  /** Names it to `replay` and `purge`. */
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

export interface DeadLetterRange {
  /** Those with a higher id. */
  readonly after?: number;
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

export class DeadLetters {
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  /** Oldest first; looking changes nothing. */
  async *list(range: DeadLetterRange = {}): AsyncGenerator<DeadLetter> {
    const { signal = new AbortController().signal, ...where } = range;
    for await (const letters of this.#site.broker.queues.deadLetters(where, signal)) {
      for (const letter of letters) {
        const address = this.#site.space.addressOf(letter.queue);
        if (address !== undefined) yield shown(letter, address);
      }
    }
  }

  /** Puts them back into their mailboxes as new messages. @returns how many there were. */
  replay(...ids: readonly number[]): Promise<number> {
    return this.#site.broker.queues.replay(ids);
  }

  /** Deletes them for good. @returns how many there were. */
  purge(...ids: readonly number[]): Promise<number> {
    return this.#site.broker.queues.purge(ids);
  }
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
