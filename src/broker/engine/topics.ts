/** Live fan-out in one thread. */

import { assertPattern, assertTopic } from "../../message/topic.ts";
import { TopicTree } from "../../message/topic-tree.ts";
import type { Clock } from "../../runtime/clock.ts";
import { RingBuffer } from "../../runtime/ring-buffer.ts";
import type { Publication, ReceivePublication } from "../broker.ts";

/** Whoever publishes and subscribes through one broker object; it does not hear itself. */
export type Party = object;

interface Subscription {
  readonly party: Party;
  readonly receive: ReceivePublication;
}

interface Waiting {
  readonly publication: Publication;
  readonly from: Party;
}

/** Publications made by receivers while they receive, until other work has its turn. */
const nestedMax = 256;

export class TopicHub {
  readonly #clock: Clock;
  readonly #tree = new TopicTree<Subscription>();
  /** Published by receivers: handed out behind what is being handed out, never on top of it. */
  readonly #waiting = new RingBuffer<Waiting>();
  #publishing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param from - is left out.
   * @throws INVALID_ADDRESS for a topic, before any of the publications is handed out.
   */
  publish(publications: readonly Publication[], from: Party): void {
    for (const { topic } of publications) assertTopic(topic, "internal");
    if (this.#publishing || this.#waiting.size > 0) {
      for (const publication of publications) this.#waiting.push({ publication, from });
      return;
    }
    this.#publishing = true;
    try {
      for (const publication of publications) this.#handOut(publication, from);
      this.#handOutWaiting();
    } finally {
      this.#publishing = false;
    }
  }

  /** True when somebody other than `from` would hear it. */
  reaches(topic: string, from: Party): boolean {
    return this.#tree.match(topic).some(({ party }) => party !== from);
  }

  /** @returns ends the subscription; safe to repeat. @throws INVALID_ADDRESS for the pattern. */
  subscribe(pattern: string, receive: ReceivePublication, party: Party): () => void {
    assertPattern(pattern, "internal");
    return this.#tree.add(pattern, { party, receive });
  }

  #handOut(publication: Publication, from: Party): void {
    const { topic, frame, control } = publication;
    let heard = false;
    for (const { party, receive } of this.#tree.match(topic)) {
      if (party === from) continue;
      heard = true;
      receive(topic, frame, control);
    }
    if (!heard) publication.onUnheard?.();
  }

  #handOutWaiting(): void {
    for (let count = 0; count < nestedMax; count++) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#handOut(next.publication, next.from);
    }
    if (this.#waiting.size > 0) this.#clock.defer(() => this.#resume());
  }

  #resume(): void {
    this.#publishing = true;
    try {
      this.#handOutWaiting();
    } finally {
      this.#publishing = false;
    }
  }
}
