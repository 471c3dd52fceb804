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
import { SendTurns } from "./send-turns.ts";
import type { QueueSubjects } from "./subjects.ts";
import { headersOf, isOnceId, storageId } from "./work-message.ts";

/** How often a mailbox may change under one message. */
const mailboxesMax = 5;

interface Prepared {
  /** Of the mailbox; undefined: there is none. */
  readonly sequence: number | undefined;
  /** Positions of those that were stored before. */
  readonly known: readonly (number | undefined)[];
}

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
  readonly #turns = new SendTurns();

  constructor(link: NatsLink, subjects: QueueSubjects, mailboxes: Mailboxes, publisher: Publisher) {
    this.#link = link;
    this.#subjects = subjects;
    this.#mailboxes = mailboxes;
    this.#publisher = publisher;
    this.#onceIds = new OnceIds(link, subjects, publisher);
  }

  enqueue(
    queue: string,
    messages: readonly QueuedMessage[],
    signal?: AbortSignal,
  ): Promise<readonly EnqueueOutcome[]> {
    const parcels = messages.map((message) => this.parcel(queue, message));
    return withAbort(this.store(queue, parcels, signal), signal);
  }

  parcel(queue: string, message: QueuedMessage): Parcel {
    const { lane, key, frame, notBeforeMs } = message;
    const headers = headersOf(message);
    headers[jsHeaders.messageId] = storageId(queue, message, this.#link.newId);
    const subject = this.#subjects.message(queue, lane, key, notBeforeMs !== undefined);
    return { queue, subject, frame, headers };
  }

  /**
   * Each of them once, as far back as its id is known. Messages of one key are stored in the order of the calls.
   *
   * @param signal - of what comes before they are sent.
   * @throws MESSAGE_TOO_LARGE; CANCELLED; CLOSED; what looking for the mailbox throws.
   */
  async store(
    queue: string,
    parcels: readonly Parcel[],
    signal?: AbortSignal,
  ): Promise<readonly EnqueueOutcome[]> {
    const send = ({ sequence, known }: Prepared) =>
      Promise.all(parcels.map((parcel, index) => this.#send(parcel, known[index], sequence)));
    const isOrdered = parcels.some(({ subject }) => this.#isOrdered(subject));
    const mustWait = isOrdered && this.#turns.isTaken(queue);
    // Before anything else is done: what is known is sent at once.
    const sequence = this.#mailboxes.known(queue);
    const isKnown = sequence !== undefined && signal === undefined && this.#link.isReady;
    if (isKnown && !mustWait && !parcels.some((parcel) => isOnceId(messageIdOf(parcel)))) {
      this.assertLengths(parcels);
      return await send({ sequence, known: [] });
    }
    const prepared = this.#prepare(queue, parcels, signal);
    return await (isOrdered ? this.#turns.run(queue, prepared, send) : prepared.then(send));
  }

  async #prepare(
    queue: string,
    parcels: readonly Parcel[],
    signal: AbortSignal | undefined,
  ): Promise<Prepared> {
    await this.#link.whenReady(signal);
    this.assertLengths(parcels);
    const sequence = await this.#mailboxes.sequence(queue, signal);
    const ids = parcels.map(messageIdOf);
    const onceIds = ids.filter(isOnceId);
    const positions = await this.#onceIds.positions(queue, onceIds, signal);
    const byId = new Map(onceIds.map((id, index) => [id, positions[index]]));
    return { sequence, known: ids.map((id) => byId.get(id)) };
  }

  /** @throws MESSAGE_TOO_LARGE. */
  assertLengths(parcels: readonly Parcel[]): void {
    const bytesMax = frameBytesMax(this.#link.facts.server);
    const tooLong = parcels.find(({ frame }) => frame.length > bytesMax);
    if (tooLong !== undefined) throw tooLarge(tooLong.frame.length, bytesMax);
  }

  #isOrdered(subject: string): boolean {
    return this.#subjects.place(subject).keyToken !== undefined;
  }

  async #send(
    parcel: Parcel,
    known: number | undefined,
    sequence: number | undefined,
  ): Promise<EnqueueOutcome> {
    if (known !== undefined) return { kind: "stored", position: known, duplicate: true };
    const { queue, subject, frame } = parcel;
    for (let attempt = 1; sequence !== undefined; attempt++) {
      const headers = {
        ...parcel.headers,
        ...this.#mailboxes.condition(queue, sequence),
        [jsHeaders.messageId]: idIn(sequence, messageIdOf(parcel)),
      };
      try {
        const message = { subject, payload: frame, headers };
        const { seq, duplicate } = await this.#publisher.publish(
          message,
          "queues.enqueue",
          this.#isOrdered(subject),
        );
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

/** What the server recognises: what was removed with a mailbox of the same name before is not there. */
function idIn(sequence: number, messageId: string): string {
  return isOnceId(messageId) ? `${messageId}:${sequence}` : messageId;
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
