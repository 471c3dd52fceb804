/** Live fan-out in one thread. */

import { assertPattern, assertTopic, isExact } from "../../message/topic.ts";
import { TopicTree } from "../../message/topic-tree.ts";
import type { Clock } from "../../runtime/clock.ts";
import { RingBuffer } from "../../runtime/ring-buffer.ts";
import type { Publication, TakePublication } from "../broker.ts";

/** Whoever publishes and subscribes through one broker object; it does not hear itself. */
export type Party = object;

interface Subscription {
  readonly party: Party;
  readonly receive: TakePublication;
}

interface Waiting {
  readonly publication: Publication;
  readonly from: Party;
}

interface Lookout {
  readonly party: Party;
  readonly found: () => Promise<void>;
}

/** Publications made by receivers while they receive, until other work has its turn. */
const nestedMax = 256;

/** How long a subscription waits for publishers to know of it. */
const heedMsMax = 100;

export class TopicHub {
  readonly #clock: Clock;
  readonly #tree = new TopicTree<Subscription>();
  /** Published by receivers: handed out behind what is being handed out, never on top of it. */
  readonly #waiting = new RingBuffer<Waiting>();
  /** By topic that reaches nobody: those who want to know when that is over. */
  readonly #lookouts = new Map<string, Set<Lookout>>();
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

  /** See `Topics.onReached`. */
  onReached(topic: string, found: () => Promise<void>, party: Party): (() => void) | undefined {
    if (this.reaches(topic, party)) return undefined;
    const lookouts = this.#lookouts.get(topic) ?? new Set();
    this.#lookouts.set(topic, lookouts);
    const lookout = { party, found };
    lookouts.add(lookout);
    return () => {
      lookouts.delete(lookout);
      if (lookouts.size === 0 && this.#lookouts.get(topic) === lookouts) {
        this.#lookouts.delete(topic);
      }
    };
  }

  /**
   * Resolves when those who look out for it know that `pattern` is subscribed to. Somebody who is too
   * busy to listen does not hold others up: what it publishes until it listens may be lost.
   */
  heeded(pattern: string): Promise<void> | undefined {
    if (this.#lookouts.size === 0) return undefined;
    const topics = isExact(pattern) ? [pattern] : [...this.#lookouts.keys()];
    const found = topics.flatMap((topic) => this.#takeReached(topic));
    return found.length === 0 ? undefined : this.#within(heedMsMax, found);
  }

  /** @returns ends the subscription; safe to repeat. @throws INVALID_ADDRESS for the pattern. */
  subscribe(pattern: string, receive: TakePublication, party: Party): () => void {
    assertPattern(pattern, "internal");
    return this.#tree.add(pattern, { party, receive });
  }

  #within(limitMs: number, lookouts: readonly Lookout[]): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(limitMs, resolve);
      void Promise.all(lookouts.map(({ found }) => found())).then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #takeReached(topic: string): readonly Lookout[] {
    const lookouts = this.#lookouts.get(topic);
    if (lookouts === undefined) return [];
    const reached = [...lookouts].filter(({ party }) => this.reaches(topic, party));
    for (const lookout of reached) lookouts.delete(lookout);
    if (lookouts.size === 0) this.#lookouts.delete(topic);
    return reached;
  }

  #handOut(publication: Publication, from: Party): void {
    let taken = false;
    let noRoom = false;
    for (const { party, receive } of this.#tree.match(publication.topic)) {
      if (party === from) continue;
      if (receive(publication)) taken = true;
      else noRoom = true;
    }
    if (!taken) publication.onUnheard?.(noRoom);
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
