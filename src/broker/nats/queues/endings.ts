/** How messages leave the stream of work, or go back into it: the record first, always. */
import { type ErrorInfo, isColloquyError } from "../../../errors.ts";
import { deadLetterTopic } from "../../dead-letter-topic.ts";
import type { NatsLink } from "../connection.ts";
import { apiCodeOf } from "../errors.ts";
import { publishBatch, type StreamMessage } from "../jetstream.ts";
import type { NatsTopics } from "../topics.ts";
import { encodeLetter } from "./letters.ts";
import type { FinalRecord, LiveRecord, MessageRecord, RecordAt } from "./record.ts";
import type { Records } from "./records.ts";
import type { QueueSubjects } from "./subjects.ts";
import type { WorkMessage } from "./work-message.ts";

const encoder = new TextEncoder();
const acknowledge = encoder.encode("+ACK");
const inProgress = encoder.encode("+WPI");
const nothing = new Uint8Array();
const repeatMs = 60_000;
/** Errors of deleting what is not there. */
const absentCodes: ReadonlySet<number | undefined> = new Set([10_037, 10_043, 10_057]);
const batchTriesMax = 5;

interface ConsumerInfo {
  readonly delivered: { readonly consumer_seq: number };
}

export interface Burial {
  readonly message: WorkMessage;
  readonly life: LiveRecord;
  /** With its error. */
  readonly record: FinalRecord;
  readonly expected: number;
}

export class Endings {
  readonly #link: NatsLink;
  readonly #subjects: QueueSubjects;
  readonly #records: Records;
  readonly #topics: NatsTopics;

  constructor(link: NatsLink, subjects: QueueSubjects, records: Records, topics: NatsTopics) {
    this.#link = link;
    this.#subjects = subjects;
    this.#records = records;
    this.#topics = topics;
  }

  /** The message leaves the stream of work; resolves when it has. @param reply - of its delivery, where there was one. */
  async remove(position: number, reply: string | undefined): Promise<void> {
    if (reply !== undefined && this.#subjects.madeUp(reply) === undefined) {
      try {
        await this.#link.request(reply, acknowledge, { what: "queues.acknowledge", repeatMs });
        return;
      } catch (error) {
        if (isColloquyError(error, "CLOSED")) throw error;
      }
    }
    try {
      const body = { seq: position, no_erase: true };
      await this.#link.api(`STREAM.MSG.DELETE.${this.#subjects.workStream}`, body);
    } catch (error) {
      if (!absentCodes.has(apiCodeOf(error))) throw error;
    }
  }

  /** The server offers it again, to whoever asks. */
  giveBack(reply: string, delayMs: number): void {
    if (!this.#link.isReady) return;
    const delay = Math.max(0, Math.ceil(delayMs)) * 1_000_000;
    const payload = encoder.encode(delay === 0 ? "-NAK" : `-NAK {"delay": ${delay}}`);
    const about = this.#subjects.madeUp(reply);
    if (about === undefined) this.#link.publish(reply, payload);
    else void this.#giveBackAnothers(about.consumer, about.position, payload).catch(() => {});
  }

  /** The number of any delivery that is not too old will do: the last one. */
  async #giveBackAnothers(consumer: string, position: string, payload: Uint8Array): Promise<void> {
    const { workStream } = this.#subjects;
    const name = `CONSUMER.INFO.${workStream}.${consumer}`;
    const { delivered } = await this.#link.api<ConsumerInfo>(name);
    const { consumer_seq: last } = delivered;
    if (!this.#link.isReady) return;
    this.#link.publish(`$JS.ACK.${workStream}.${consumer}.1.${position}.${last}.1.0`, payload);
  }

  /** The lease begins anew. */
  extend(reply: string): void {
    this.#link.publish(reply, inProgress);
  }

  /** @throws CONFLICT. */
  write(
    queue: string,
    position: number,
    record: MessageRecord,
    expected: number,
  ): Promise<RecordAt> {
    return this.#records.write(queue, position, record, expected);
  }

  /**
   * Makes the message a dead letter, with further messages in the same breath.
   *
   * @throws CONFLICT, and then nothing of it has happened.
   */
  async bury(
    queue: string,
    { message, life, record, expected }: Burial,
    more: readonly StreamMessage[] = [],
  ): Promise<RecordAt> {
    const { position } = message;
    const error = record.error as ErrorInfo;
    const subject = this.#subjects.letter(queue, position);
    const letter = encodeLetter(subject, queue, message, life, error);
    const at = await this.writeBatch(queue, position, record, expected, [letter, ...more]);
    this.#topics.announce(deadLetterTopic, nothing);
    return at;
  }

  /** A record together with other messages of the stream: all of it or nothing. @throws CONFLICT. */
  async writeBatch(
    queue: string,
    position: number,
    record: MessageRecord,
    expected: number,
    more: readonly StreamMessage[],
  ): Promise<RecordAt> {
    const write = this.#link.newId();
    const first = this.#records.message(queue, position, record, expected, write);
    for (let attempt = 1; ; attempt++) {
      try {
        const { seq } = await publishBatch(this.#link, [first, ...more], "queues.settle");
        return this.#records.noteWritten(queue, position, {
          record,
          seq: seq - more.length,
          write,
        });
      } catch (error) {
        const isUnsure =
          isColloquyError(error, "INDETERMINATE") ||
          (isColloquyError(error, "CONFLICT") && attempt > 1);
        if (!isUnsure) throw error;
        const found = await this.#records.readOne(queue, position);
        if (found?.write === write) return this.#records.noteWritten(queue, position, found);
        if (isColloquyError(error, "CONFLICT") || attempt === batchTriesMax) throw error;
      }
    }
  }
}
