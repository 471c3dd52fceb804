/** Reads and writes the records of messages: see record.ts. */
import { isColloquyError } from "../../../errors.ts";
import type { NatsLink } from "../connection.ts";
import { jsHeaders, lastOf, type StreamMessage } from "../jetstream.ts";
import type { Publisher } from "./publisher.ts";
import {
  decodeRecord,
  encodeRecord,
  isFinal,
  type MessageRecord,
  type RecordAt,
} from "./record.ts";
import type { QueueSubjects } from "./subjects.ts";

/** How long senders can ask what has become of a message that is final. */
export const outcomesKeptSeconds: number = 24 * 3_600;

export class Records {
  readonly #link: NatsLink;
  readonly #subjects: QueueSubjects;
  readonly #publisher: Publisher;

  constructor(link: NatsLink, subjects: QueueSubjects, publisher: Publisher) {
    this.#link = link;
    this.#subjects = subjects;
    this.#publisher = publisher;
  }

  async read(
    queue: string,
    positions: readonly number[],
    signal?: AbortSignal,
  ): Promise<readonly (RecordAt | undefined)[]> {
    const subjects = positions.map((position) => this.#subjects.record(queue, position));
    const messages = await lastOf(this.#link, "state", subjects, signal);
    return messages.map((message) => message && decodeRecord(message));
  }

  async readOne(
    queue: string,
    position: number,
    signal?: AbortSignal,
  ): Promise<RecordAt | undefined> {
    return (await this.read(queue, [position], signal))[0];
  }

  /**
   * @param expected - the sequence of the record before it; 0: there is none.
   * @throws CONFLICT where it is another: somebody else has decided about the message.
   */
  async write(
    queue: string,
    position: number,
    record: MessageRecord,
    expected: number,
  ): Promise<RecordAt> {
    const write = this.#link.newId();
    const message = this.message(queue, position, record, expected, write);
    try {
      const { seq } = await this.#publisher.publish(message, "queues.record");
      return { record, seq, write };
    } catch (error) {
      if (!isColloquyError(error, "CONFLICT") || error.details["repeated"] !== true) throw error;
      // The first time it may have been stored, and only the answer was lost.
      const found = await this.readOne(queue, position);
      if (found?.write !== write) throw error;
      return found;
    }
  }

  /** As `write` publishes it, for a batch. */
  message(
    queue: string,
    position: number,
    record: MessageRecord,
    expected: number,
    write: string,
  ): StreamMessage {
    const message = encodeRecord(this.#subjects.record(queue, position), record, write);
    message.headers[jsHeaders.expectedLast] = `${expected}`;
    if (isFinal(record)) message.headers[jsHeaders.ttl] = `${outcomesKeptSeconds}s`;
    return message;
  }
}
