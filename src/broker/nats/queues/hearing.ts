/**
 * What the server tells of the records of one queue: each, as soon as it is stored. Of a message that was
 * stored while this is in force everything is heard, so whoever has sent it has nothing to ask.
 */
import type { QueuedMessage } from "../../broker.ts";
import { hearing, type NatsMessage, type NatsSubscription } from "../client.ts";
import type { NatsLink } from "../connection.ts";
import { forgetOldest } from "../forget-oldest.ts";
import { storedMessage } from "../jetstream.ts";
import { decodeRecord, type MessageRecord } from "./record.ts";
import type { QueueSubjects } from "./subjects.ts";

/** Messages of which nothing was heard yet. */
const freshMax = 10_000;
/** Records that were heard before anybody wanted them, and bytes of one of them. */
const earlyMax = 1_024;
const earlyBytesMax = 4_096;

export class Hearing {
  /** Resolves when everything that is stored from then on is heard. */
  readonly begins: Promise<void>;
  readonly #subscription: NatsSubscription;
  /** When they expire, by position. Undefined while something may be missed; each connection has its own. */
  #fresh: Map<number, number> | undefined;
  /** By position; undefined: too large to be kept. */
  readonly #early = new Map<number, MessageRecord | undefined>();

  /** @param heard - returns false where nobody wants it yet. */
  constructor(
    link: NatsLink,
    subjects: QueueSubjects,
    queue: string,
    heard: (position: number, record: () => MessageRecord) => boolean,
  ) {
    this.#subscription = link.client.subscribe(
      subjects.heardRecords(queue),
      hearing((error, message) => {
        if (error !== null) return;
        const position = subjects.positionOf(message.subject);
        this.#fresh?.delete(position);
        if (!heard(position, () => recordOf(message))) this.#keep(position, message);
      }),
    );
    this.begins = link.flush().then(() => this.begun());
    this.begins.catch(() => {});
  }

  /**
   * Called before messages are sent.
   *
   * @returns to be told where those were stored that had not been before; undefined: no need to.
   */
  sending(): ((position: number, message: QueuedMessage) => void) | undefined {
    const fresh = this.#fresh;
    if (fresh === undefined) return undefined;
    return (position, { expiresAtMs = 0 }) => {
      if (this.#early.has(position)) return;
      fresh.set(position, expiresAtMs);
      forgetOldest(fresh, freshMax);
    };
  }

  /** When the message expires, 0 for never, where nothing can have happened to it yet; else undefined. */
  expiryOfFresh(position: number): number | undefined {
    return this.#fresh?.get(position);
  }

  /** The record of the message, where it was heard lately. */
  early(position: number): MessageRecord | undefined {
    return this.#early.get(position);
  }

  /** Whether everything that is stored now is heard. */
  get isInForce(): boolean {
    return this.#fresh !== undefined;
  }

  begun(): void {
    this.#fresh ??= new Map();
  }

  /** The queue was emptied. */
  emptied(): void {
    if (this.#fresh !== undefined) this.#fresh = new Map();
    this.#early.clear();
  }

  lost(): void {
    this.#fresh = undefined;
    this.#early.clear();
  }

  stop(): void {
    this.lost();
    this.#subscription.unsubscribe();
  }

  #keep(position: number, message: NatsMessage): void {
    this.#early.delete(position);
    this.#early.set(position, message.data.length > earlyBytesMax ? undefined : recordOf(message));
    forgetOldest(this.#early, earlyMax);
  }
}

function recordOf(message: NatsMessage): MessageRecord {
  return decodeRecord(storedMessage(message)).record;
}
