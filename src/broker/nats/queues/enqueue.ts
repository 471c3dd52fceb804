/** Puts messages into queues: each is one publication, and its position is the sequence it gets. */
import { ColloquyError, errorInfo, isColloquyError } from "../../../errors.ts";
import { withAbort } from "../../../runtime/abort.ts";
import type { EnqueueOutcome, QueuedMessage } from "../../broker.ts";
import type { HeaderPairs } from "../client.ts";
import type { NatsLink } from "../connection.ts";
import { clientError } from "../errors.ts";
import { jsHeaders } from "../jetstream.ts";
import { frameBytesMax } from "../probe.ts";
import type { Mailboxes } from "./mailboxes.ts";
import { OnceIds } from "./once.ts";
import type { Publisher } from "./publisher.ts";
import type { QueueSubjects } from "./subjects.ts";
import { headersOf, isOnceId, storageId } from "./work-message.ts";

/** How often a mailbox may change under one message. */
const mailboxesMax = 5;

/** A message as it is to be stored, whoever made it. */
export interface Parcel {
  readonly queue: string;
  readonly subject: string;
  readonly frame: Uint8Array;
  readonly headers: HeaderPairs;
}

export class Enqueue {
  readonly #link: NatsLink;
  readonly #subjects: QueueSubjects;
  readonly #mailboxes: Mailboxes;
  readonly #publisher: Publisher;
  readonly #onceIds: OnceIds;

  constructor(link: NatsLink, subjects: QueueSubjects, mailboxes: Mailboxes, publisher: Publisher) {
    this.#link = link;
    this.#subjects = subjects;
    this.#mailboxes = mailboxes;
    this.#publisher = publisher;
    this.#onceIds = new OnceIds(link, subjects, publisher);
  }

  async enqueue(
    queue: string,
    messages: readonly QueuedMessage[],
    signal?: AbortSignal,
  ): Promise<readonly EnqueueOutcome[]> {
    const bytesMax = frameBytesMax(this.#link.facts.server);
    const tooLong = messages.find(({ frame }) => frame.length > bytesMax);
    if (tooLong !== undefined) throw tooLarge(tooLong.frame.length, bytesMax);
    const sequence = await this.#mailboxes.sequence(queue, signal);
    const parcels = messages.map((message) => this.parcel(queue, message));
    return await withAbort(this.store(queue, parcels, sequence), signal);
  }

  parcel(queue: string, message: QueuedMessage): Parcel {
    const { lane, key, frame, notBeforeMs } = message;
    const headers = headersOf(message);
    headers[jsHeaders.messageId] = storageId(queue, message, this.#link.newId);
    const subject = this.#subjects.message(queue, lane, key, notBeforeMs !== undefined);
    return { queue, subject, frame, headers };
  }

  /**
   * Each of them once, as far back as its id is known.
   *
   * @param sequence - of the mailbox; undefined: there is none.
   * @throws CLOSED.
   */
  async store(
    queue: string,
    parcels: readonly Parcel[],
    sequence: number | undefined,
  ): Promise<readonly EnqueueOutcome[]> {
    const ids = parcels.map(messageIdOf).filter(isOnceId);
    const positions = await this.#onceIds.positions(queue, ids);
    const known = new Map(ids.map((id, index) => [id, positions[index]]));
    return await Promise.all(
      parcels.map((parcel) => {
        const position = known.get(messageIdOf(parcel));
        if (position !== undefined) return { kind: "stored", position, duplicate: true } as const;
        return this.#store(parcel, sequence);
      }),
    );
  }

  async #store(parcel: Parcel, sequence: number | undefined): Promise<EnqueueOutcome> {
    const { queue, subject, frame } = parcel;
    for (let attempt = 1; sequence !== undefined; attempt++) {
      const headers = { ...parcel.headers, ...this.#mailboxes.condition(queue, sequence) };
      try {
        const message = { subject, payload: frame, headers };
        const { seq, duplicate } = await this.#publisher.publish(message, "queues.enqueue");
        return await this.#stored(parcel, seq, duplicate);
      } catch (thrown) {
        const error = clientError(thrown, "queues.enqueue");
        if (error.code === "CLOSED") throw error;
        if (!isColloquyError(error, "CONFLICT") || attempt === mailboxesMax) return refused(error);
      }
      sequence = (await this.#mailboxes.look([queue])).get(queue);
    }
    return { kind: "rejected", error: errorInfo(undeclared(queue)) };
  }

  /** The message is in its queue; its sender is told so once its id is known for long enough. */
  async #stored(parcel: Parcel, position: number, duplicate: boolean): Promise<EnqueueOutcome> {
    const id = messageIdOf(parcel);
    if (isOnceId(id)) {
      try {
        await this.#onceIds.remember(parcel.queue, id, position);
      } catch (thrown) {
        const error = clientError(thrown, "queues.enqueue");
        if (error.code === "CLOSED") throw error;
        return { kind: "indeterminate", error: errorInfo(error) };
      }
    }
    return { kind: "stored", position, duplicate };
  }
}

function messageIdOf({ headers }: Parcel): string {
  return headers[jsHeaders.messageId] ?? "";
}

export function undeclared(queue: string): ColloquyError<"NO_ELIGIBLE_AGENT"> {
  return new ColloquyError("NO_ELIGIBLE_AGENT", `nobody has declared the mailbox ${queue}`, {
    details: { queue },
  });
}

function tooLarge(bytes: number, bytesMax: number): ColloquyError<"MESSAGE_TOO_LARGE"> {
  const message = `frame: ${bytes} bytes, the limit is ${bytesMax}`;
  return new ColloquyError("MESSAGE_TOO_LARGE", message, {
    details: { field: "frame", bytes, bytesMax },
  });
}

function refused(error: ColloquyError): EnqueueOutcome {
  const kind = error.code === "INDETERMINATE" ? "indeterminate" : "rejected";
  return { kind, error: errorInfo(error) };
}
