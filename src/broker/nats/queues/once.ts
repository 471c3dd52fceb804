/**
 * Ids of exactly-once messages. The server knows an id for its duplicate window only, and keeps all ids of
 * that time in memory; these are few, and have to be known for a day. So each has a record of its own,
 * written before its sender is told that the message is stored. Only a sender that died before that and
 * repeats it after the window has it stored twice: it never knew of the first.
 */
import type { NatsLink } from "../connection.ts";
import { jsHeaders, lastOf } from "../jetstream.ts";
import type { Publisher } from "./publisher.ts";
import type { QueueSubjects } from "./subjects.ts";

const horizonSeconds = 24 * 3_600;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class OnceIds {
  readonly #link: NatsLink;
  readonly #subjects: QueueSubjects;
  readonly #publisher: Publisher;

  constructor(link: NatsLink, subjects: QueueSubjects, publisher: Publisher) {
    this.#link = link;
    this.#subjects = subjects;
    this.#publisher = publisher;
  }

  /** The positions under which messages with these storage ids are known. */
  async positions(
    queue: string,
    storageIds: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly (number | undefined)[]> {
    if (storageIds.length === 0) return [];
    const subjects = storageIds.map((id) => this.#subjects.onceId(queue, id));
    const found = await lastOf(this.#link, "state", subjects, signal);
    return found.map((message) => message && Number(decoder.decode(message.data)));
  }

  async remember(queue: string, storageId: string, position: number): Promise<void> {
    const message = {
      subject: this.#subjects.onceId(queue, storageId),
      payload: encoder.encode(`${position}`),
      headers: { [jsHeaders.ttl]: `${horizonSeconds}s` },
    };
    await this.#publisher.publish(message, "queues.enqueue");
  }
}
