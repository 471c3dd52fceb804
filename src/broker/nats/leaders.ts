/**
 * Streams and consumers of a cluster get other leaders. What the last one was asked it does not answer any
 * more, though the connection stands; the next one is told of as soon as it is elected. Where a user may
 * not listen to that, requests fail when their time is over.
 */
import type { NatsClient } from "./client.ts";
import type { Names } from "./names.ts";

const elected = {
  stream: "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED",
  consumer: "$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED",
} as const;

/** Whether a request to this subject is for the leader. */
export type ConcernsLeader = (subject: string) => boolean;

export class Leaders {
  readonly #names: Names;
  readonly #forsake: (concerns: ConcernsLeader) => void;
  readonly #ofConsumers = new Map<string, () => void>();
  #isListening = false;

  /** @param forsake - of what `concerns` the last leader no answer is to be expected any more. */
  constructor(names: Names, forsake: (concerns: ConcernsLeader) => void) {
    this.#names = names;
    this.#forsake = forsake;
  }

  /** Calls `changed` for each new leader of the consumer, until `forget`. */
  watch(consumer: string, changed: () => void): void {
    this.#ofConsumers.set(consumer, changed);
  }

  forget(consumer: string): void {
    this.#ofConsumers.delete(consumer);
  }

  /** For as long as there is the client. */
  listen(client: NatsClient): void {
    if (this.#isListening) return;
    this.#isListening = true;
    const { work } = this.#names.streams;
    client.subscribe(`${elected.stream}.*`, {
      callback: (error, { subject }) => {
        if (error === null) this.#ofStream(lastToken(subject));
      },
    });
    client.subscribe(`${elected.consumer}.${work}.*`, {
      callback: (error, { subject }) => {
        if (error === null) this.#ofConsumer(work, lastToken(subject));
      },
    });
  }

  #ofStream(stream: string): void {
    const names = this.#names;
    this.#forsake((subject) =>
      subject.startsWith("$JS.API.")
        ? subject.split(".").includes(stream)
        : names.streamNameOf(subject) === stream,
    );
  }

  #ofConsumer(stream: string, consumer: string): void {
    this.#forsake((subject) => subject.startsWith(`$JS.ACK.${stream}.${consumer}.`));
    this.#ofConsumers.get(consumer)?.();
  }
}

function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}
