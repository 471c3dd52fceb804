/**
 * Mailboxes: each is one message in the stream of work that no consumer takes. Whatever is put into a
 * queue is stored under the condition that this message is still the one that its sender has seen, so
 * that the server itself refuses what comes for a mailbox that is not there.
 */
import { isColloquyError } from "../../../errors.ts";
import { throwIfAborted } from "../../../runtime/abort.ts";
import type { NatsLink } from "../connection.ts";
import { apiCodeOf, apiCodes } from "../errors.ts";
import { jsHeaders, lastOf, publish, readPage } from "../jetstream.ts";
import { endMarks } from "./offered-marks.ts";
import { lanes, type QueueSubjects } from "./subjects.ts";

/** Names the subject that an expected sequence is about, where it is not the message's own. */
export const expectedSubjectHeader = "Nats-Expected-Last-Subject-Sequence-Subject";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Mailboxes {
  readonly #link: NatsLink;
  readonly #subjects: QueueSubjects;
  /** Sequences of the mailboxes that were seen; a wrong one is found out by the server. */
  readonly #seen = new Map<string, number>();

  constructor(link: NatsLink, subjects: QueueSubjects) {
    this.#link = link;
    this.#subjects = subjects;
  }

  async declare(queues: readonly string[], signal?: AbortSignal): Promise<void> {
    await Promise.all([...new Set(queues)].map((queue) => this.#declare(queue, signal)));
  }

  /** The sequence that stands for the mailbox, where it was seen. */
  known(queue: string): number | undefined {
    return this.#seen.get(queue);
  }

  /** As `known`, or else what the server says; undefined where there is none. */
  async sequence(queue: string, signal?: AbortSignal): Promise<number | undefined> {
    return this.known(queue) ?? (await this.look([queue], signal)).get(queue);
  }

  /** Asks the server again. */
  async look(
    queues: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, number>> {
    const subjects = queues.map((queue) => this.#subjects.mailbox(queue));
    const found = await lastOf(this.#link, "work", subjects, signal);
    const sequences = new Map<string, number>();
    for (const [index, queue] of queues.entries()) {
      const seq = found[index]?.seq;
      if (seq === undefined) {
        this.#seen.delete(queue);
      } else {
        this.#seen.set(queue, seq);
        sequences.set(queue, seq);
      }
    }
    return sequences;
  }

  /** Headers of a message for the mailbox of this sequence. */
  condition(queue: string, sequence: number): Record<string, string> {
    return {
      [jsHeaders.expectedLast]: `${sequence}`,
      [expectedSubjectHeader]: this.#subjects.mailbox(queue),
    };
  }

  async names(signal?: AbortSignal): Promise<readonly string[]> {
    throwIfAborted(signal);
    const names: string[] = [];
    for (let from = 1, pending = 1; pending > 0; ) {
      const page = await readPage(this.#link, "work", this.#subjects.mailboxes, from, signal);
      for (const { subject, data, seq } of page.messages) {
        const name = decoder.decode(data);
        // Somebody else may have written anything there.
        if (this.#subjects.mailbox(name) === subject) names.push(name);
        from = seq + 1;
      }
      pending = page.messages.length === 0 ? 0 : page.pending;
    }
    return names;
  }

  /** The mailbox first: then nothing more comes into the queue that is emptied. */
  async remove(queue: string, signal?: AbortSignal): Promise<void> {
    const { workStream } = this.#subjects;
    const state = this.#link.names.streams.state;
    this.#seen.delete(queue);
    await this.#purge(workStream, this.#subjects.mailbox(queue), signal);
    await this.#purge(workStream, this.#subjects.waiting(queue), signal);
    await Promise.all([
      this.#purge(state, this.#subjects.records(queue), signal),
      this.#purge(state, this.#subjects.onceIds(queue), signal),
      endMarks(this.#link, this.#subjects, queue, signal),
      ...lanes.map((lane) => this.#deleteConsumer(this.#subjects.consumer(queue, lane), signal)),
    ]);
  }

  async #declare(queue: string, signal: AbortSignal | undefined): Promise<void> {
    const subject = this.#subjects.mailbox(queue);
    const payload = encoder.encode(queue);
    const message = { subject, payload, headers: { [jsHeaders.expectedLast]: "0" } };
    try {
      const { seq } = await publish(this.#link, message, "queues.declare", signal);
      this.#seen.set(queue, seq);
    } catch (error) {
      // It is there.
      if (!isColloquyError(error, "CONFLICT")) throw error;
    }
  }

  async #purge(stream: string, filter: string, signal: AbortSignal | undefined): Promise<void> {
    await this.#link.api(`STREAM.PURGE.${stream}`, { filter }, signal);
  }

  async #deleteConsumer(name: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#link.api(
        `CONSUMER.DELETE.${this.#subjects.workStream}.${name}`,
        undefined,
        signal,
      );
    } catch (error) {
      if (apiCodeOf(error) !== apiCodes.consumerNotFound) throw error;
    }
  }
}
