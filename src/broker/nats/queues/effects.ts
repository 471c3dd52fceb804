/**
 * What commits together with a settlement. Its record, what it puts and appends, and one outbox message for
 * each message that it sends are one atomic batch of the stream of state. From the outbox messages go
 * into their queues, under ids that the server recognises, whoever brings them there.
 */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../../errors.ts";
import type { Effect, Topics } from "../../broker.ts";
import { batchMessagesMax, jsHeaders, readPage, type StreamMessage } from "../jetstream.ts";
import { decodeToken, encodeToken } from "../names.ts";
import { type Enqueue, type Parcel, undeclared } from "./enqueue.ts";
import type { QueueHub } from "./hub.ts";
import { copiedHeaders } from "./work-message.ts";

export interface EffectsPlan {
  readonly kind: "planned";
  /** To be stored with the record. */
  readonly messages: readonly StreamMessage[];
  /** To be called once they are: resolves when what was sent is in its queues. */
  committed(): Promise<void>;
}

export type Planned = EffectsPlan | { readonly kind: "refused"; readonly error: ErrorInfo };

export interface StoredPlan {
  readonly messages: readonly StreamMessage[];
  committed(): Promise<void>;
}

/** What the puts and appends among effects come to, see stored-effects.ts. */
export type PlanStored = (effects: readonly Effect[]) => Promise<StoredPlan>;

const outboxHeaders = {
  queue: "Colloquy-Queue",
  subject: "Colloquy-Subject",
  messageId: "Colloquy-Message-Id",
} as const;

/** What is older was left by somebody who did not come to bring it to its queue. */
const leftBehindMs = 5_000;

export class Effects {
  readonly #hub: QueueHub;
  readonly #enqueue: Enqueue;
  readonly #topics: Topics;
  readonly #planStored: PlanStored;

  constructor(hub: QueueHub, enqueue: Enqueue, topics: Topics, planStored: PlanStored) {
    this.#hub = hub;
    this.#enqueue = enqueue;
    this.#topics = topics;
    this.#planStored = planStored;
  }

  /** @throws CONFLICT and others of the store's and the log's. */
  async plan(effects: readonly Effect[]): Promise<Planned> {
    const { mailboxes, link, subjects } = this.#hub;
    const sends = effects.filter((effect) => effect.kind === "enqueue");
    const queues = [...new Set(sends.map(({ queue }) => queue))];
    const declared = queues.length === 0 ? undefined : await mailboxes.look(queues);
    const missing = queues.find((queue) => declared?.has(queue) !== true);
    if (missing !== undefined) return { kind: "refused", error: errorInfo(undeclared(missing)) };
    const id = link.newId();
    const parcels = sends.map(({ queue, message }) => this.#enqueue.parcel(queue, message));
    const outbox = parcels.map((parcel, index) =>
      outboxMessage(subjects.outbox(`${id}.${index}`), parcel),
    );
    let stored: StoredPlan;
    try {
      stored = await this.#planStored(effects);
    } catch (error) {
      if (error instanceof ColloquyError && error.code !== "CLOSED") {
        return { kind: "refused", error: errorInfo(error) };
      }
      throw error;
    }
    const messages = [...stored.messages, ...outbox];
    if (messages.length >= batchMessagesMax) {
      const text = `effects: ${messages.length}, the limit is ${batchMessagesMax - 1} at a time`;
      return { kind: "refused", error: errorInfo(new ColloquyError("MESSAGE_TOO_LARGE", text)) };
    }
    const publications = effects.filter((effect) => effect.kind === "publish");
    const committed = async (): Promise<void> => {
      if (publications.length > 0) this.#topics.publish(publications);
      await Promise.all([stored.committed(), this.#forward(parcels, subjects.outbox(`${id}.*`))]);
    };
    return { kind: "planned", messages, committed };
  }

  /** Brings to their queues what others have left in their outboxes. */
  async forwardLeft(): Promise<void> {
    const { link, subjects } = this.#hub;
    const beforeMs = link.serverNowMs() - leftBehindMs;
    for (let from = 1, pending = 1; pending > 0; ) {
      const page = await readPage(link, "state", subjects.outboxes, from);
      for (const message of page.messages) {
        from = message.seq + 1;
        if (message.atMs > beforeMs) continue;
        const { header, data: frame, subject } = message;
        const parcel: Parcel = {
          queue: decodeToken(header(outboxHeaders.queue)),
          subject: header(outboxHeaders.subject),
          frame,
          headers: {
            ...copiedHeaders(header),
            [jsHeaders.messageId]: header(outboxHeaders.messageId),
          },
        };
        await this.#forward([parcel], subject);
      }
      pending = page.messages.length === 0 ? 0 : page.pending;
    }
  }

  /** @param filter - of the outbox messages, which are not needed any more then. */
  async #forward(parcels: readonly Parcel[], filter: string): Promise<void> {
    if (parcels.length === 0) return;
    const { mailboxes, link } = this.#hub;
    const outcomes = await Promise.all(
      parcels.map(async (parcel) => {
        const sequence = await mailboxes.sequence(parcel.queue);
        return await this.#enqueue.store(parcel.queue, [parcel], sequence);
      }),
    );
    // Who starts next tries again.
    if (outcomes.flat().some(({ kind }) => kind === "indeterminate")) return;
    await link.api(`STREAM.PURGE.${link.names.streams.state}`, { filter });
  }
}

function outboxMessage(subject: string, parcel: Parcel): StreamMessage {
  const { [jsHeaders.messageId]: messageId = "", ...headers } = parcel.headers;
  return {
    subject,
    payload: parcel.frame,
    headers: {
      ...headers,
      [outboxHeaders.queue]: encodeToken(parcel.queue),
      [outboxHeaders.subject]: parcel.subject,
      [outboxHeaders.messageId]: messageId,
    },
  };
}
