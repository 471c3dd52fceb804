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

/** The end of one message, with what is to be stored in the same breath. */
export interface Ending {
  readonly queue: string;
  readonly position: number;
  readonly record: FinalRecord;
  readonly expected: number;
  readonly more: readonly StreamMessage[];
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

  /**
   * The message leaves the stream of work; resolves when it has. Acknowledged over the connection that it
   * came by alone: a server that has started again may not know the delivery, and then says nothing.
   *
   * @param reply - of its delivery, where there was one.
   */
  async remove(position: number, reply: string | undefined): Promise<void> {
    const isDelivery = reply !== undefined && this.#subjects.madeUp(reply) === undefined;
    if (isDelivery && this.#link.isReady) {
      try {
        await this.#link.requestOnce(reply, acknowledge, { what: "queues.acknowledge" });
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

  /** Makes the message a dead letter. @throws CONFLICT, and then nothing of it has happened. */
  async bury(queue: string, burial: Burial): Promise<RecordAt> {
    const { message, record, expected } = burial;
    const more = [this.letter(queue, burial)];
    const ending = { queue, position: message.position, record, expected, more };
    const [at] = await this.writeTogether([ending]);
    this.announceDead();
    return at as RecordAt;
  }

  letter(queue: string, { message, life, record }: Omit<Burial, "expected">): StreamMessage {
    const subject = this.#subjects.letter(queue, message.position);
    return encodeLetter(subject, queue, message, life, record.error as ErrorInfo);
  }

  /** They are stored: what fails now, in whoever hears of it, changes nothing. */
  announceDead(): void {
    try {
      this.#topics.announce(deadLetterTopic, nothing);
    } catch {}
  }

  /** Records together with other messages of the stream: all of it or nothing. @throws CONFLICT. */
  async writeTogether(endings: readonly Ending[]): Promise<readonly RecordAt[]> {
    const write = this.#link.newId();
    const messages: StreamMessage[] = [];
    const places: number[] = [];
    for (const { queue, position, record, expected, more } of endings) {
      places.push(messages.length);
      messages.push(this.#records.message(queue, position, record, expected, write), ...more);
    }
    const found = (firstSeq: number): readonly RecordAt[] =>
      endings.map(({ record }, index) => ({
        record,
        seq: firstSeq + (places[index] as number),
        write,
      }));
    const [first] = endings as readonly [Ending];
    if (messages.length === 1) {
      return [await this.write(first.queue, first.position, first.record, first.expected)];
    }
    for (let attempt = 1; ; attempt++) {
      try {
        const { seq } = await publishBatch(this.#link, messages, "queues.settle");
        return found(seq - messages.length + 1);
      } catch (error) {
        const isUnsure =
          isColloquyError(error, "INDETERMINATE") ||
          (isColloquyError(error, "CONFLICT") && attempt > 1);
        if (!isUnsure) throw error;
        // It is final: nobody writes over it.
        const at = await this.#records.readOne(first.queue, first.position);
        if (at?.write === write) return found(at.seq);
        if (isColloquyError(error, "CONFLICT") || attempt === batchTriesMax) throw error;
      }
    }
  }
}
