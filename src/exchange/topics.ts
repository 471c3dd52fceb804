/**
 * Publish and subscribe for the agents of one process. Subscribers in this process are reached the
 * short way, in order and never from within the publisher's own call; the broker reaches the others.
 */
import type { SubscriptionEvents } from "../broker/broker.ts";
import { ColloquyError } from "../errors.ts";
import type { Envelope } from "../message/envelope.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { decodePayload } from "../message/payload.ts";
import { assertPlain } from "../message/plain.ts";
import { copyPlain } from "../message/plain-copy.ts";
import { assertPattern, assertTopic } from "../message/topic.ts";
import { TopicTree } from "../message/topic-tree.ts";
import { throwIfAborted, withAbort } from "../runtime/abort.ts";
import { RingBuffer } from "../runtime/ring-buffer.ts";
import { encodeBody, type Site } from "./site.ts";

/** @param message - makes the envelope, for those who look at it. */
export type Subscriber = (data: unknown, topic: string, message: () => Envelope) => void;

interface Subscribed {
  readonly hear: Subscriber;
  readonly events: SubscriptionEvents;
  /** It hears nothing any more, also of what was on its way. */
  hasLeft: boolean;
}

/** All subscriptions of this process to one pattern: one subscription at the broker. */
interface Shared {
  readonly pattern: string;
  /** Replaced, never changed: it may be walked while subscriptions come and go. */
  subscribers: readonly Subscribed[];
  readonly leave: () => void;
  readonly ready: Promise<void>;
}

interface Waiting {
  readonly to: Subscribed;
  readonly data: unknown;
  readonly topic: string;
  readonly message: () => Envelope;
}

/** Messages that wait in this process within one turn; what is published beyond is lost, counted and told. */
const waitingMax = 262_144;

function noRoom(topic: string): ColloquyError<"QUEUE_FULL"> {
  const message = `${topic}: the link of this process is too slow for what is published`;
  return new ColloquyError("QUEUE_FULL", message, { details: { topic } });
}

/** Topics remembered as valid. */
const validMax = 4_096;

export class LocalTopics {
  readonly #site: Site;
  readonly #tree = new TopicTree<Shared>();
  readonly #patterns = new Map<string, Shared>();
  readonly #waiting = new RingBuffer<Waiting>();
  readonly #valid = new Set<string>();
  #draining = false;

  constructor(site: Site) {
    this.#site = site;
  }

  /**
   * Resolves when the broker delivers too; publishers of this process are heard at once.
   *
   * @returns what ends the subscription; safe to repeat.
   * @throws INVALID_ADDRESS when the pattern is none, CANCELLED.
   */
  async subscribe(
    pattern: string,
    hear: Subscriber,
    events: SubscriptionEvents,
    signal?: AbortSignal,
  ): Promise<() => void> {
    assertPattern(pattern);
    throwIfAborted(signal);
    const shared = this.#patterns.get(pattern) ?? this.#open(pattern);
    // An object of its own: one function may be subscribed twice.
    const own: Subscribed = { hear, events, hasLeft: false };
    shared.subscribers = [...shared.subscribers, own];
    const end = () => this.#leave(shared, own);
    try {
      await withAbort(shared.ready, signal);
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  /**
   * To this process and, through the broker, all others.
   *
   * @throws INVALID_ADDRESS, SERIALIZATION_ERROR or MESSAGE_TOO_LARGE; QUEUE_FULL, with nobody told, while as
   *   much waits for the link of this process as may.
   */
  publish(topic: string, data: unknown, message: () => Envelope): void {
    const { broker, space } = this.#site;
    const wire = space.topic(topic);
    const reaches = broker.topics.reaches?.(wire) !== false;
    if (reaches && broker.topics.hasRoom?.() === false) throw noRoom(topic);
    this.deliver(topic, data, message);
    if (!reaches) return;
    broker.topics.publish([{ topic: wire, frame: this.encode(data, message()) }]);
  }

  encode(data: unknown, envelope: Envelope): Uint8Array {
    return encodeBody(this.#site, envelope, data);
  }

  /** To the subscribers of this process only. @throws INVALID_ADDRESS or SERIALIZATION_ERROR. */
  deliver(topic: string, data: unknown, message: () => Envelope): void {
    if (!this.#valid.has(topic)) this.#check(topic);
    this.#site.counters.published++;
    assertPlain(data);
    for (const shared of this.#tree.match(topic)) {
      for (const to of shared.subscribers) {
        if (this.#waiting.size >= waitingMax) {
          this.#site.counters.dropped++;
          to.events.onDropped?.(1);
          continue;
        }
        const own = this.#site.copy ? copyPlain(data) : data;
        this.#waiting.push({ to, data: own, topic, message });
      }
    }
    if (this.#draining || this.#waiting.size === 0) return;
    this.#draining = true;
    queueMicrotask(() => this.#drain());
  }

  close(): void {
    for (const { leave } of this.#patterns.values()) leave();
    this.#patterns.clear();
    this.#waiting.clear();
  }

  #check(topic: string): void {
    assertTopic(topic);
    if (this.#valid.size >= validMax) this.#valid.clear();
    this.#valid.add(topic);
  }

  #drain(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#tell(next.to, next.data, next.topic, next.message);
    }
    this.#draining = false;
  }

  #tell(to: Subscribed, data: unknown, topic: string, message: () => Envelope): void {
    if (to.hasLeft) return;
    this.#site.counters.received++;
    try {
      to.hear(data, topic, message);
    } catch (error) {
      this.#site.onError(error, `a subscriber of ${topic}`);
    }
  }

  #open(pattern: string): Shared {
    const { broker, space } = this.#site;
    const controller = new AbortController();
    const shared: Shared = {
      pattern,
      subscribers: [],
      leave: () => {
        remove();
        controller.abort();
      },
      ready: broker.topics.subscribe(
        space.topic(pattern),
        (topic, frame) => this.#receive(shared, topic, frame),
        controller.signal,
        {
          onDropped: (count) => this.#dropped(shared, count),
          onEnded: (error) => this.#ended(shared, error),
        },
      ),
    };
    const remove = this.#tree.add(pattern, shared);
    this.#patterns.set(pattern, shared);
    return shared;
  }

  #dropped(shared: Shared, count: number): void {
    this.#site.counters.dropped += count;
    for (const { events } of shared.subscribers) events.onDropped?.(count);
  }

  /** The broker came back, and does not let this process subscribe any more. */
  #ended(shared: Shared, error: ColloquyError): void {
    const { subscribers } = shared;
    for (const subscriber of subscribers) {
      this.#leave(shared, subscriber);
      subscriber.events.onEnded?.(error);
    }
  }

  #leave(shared: Shared, subscriber: Subscribed): void {
    subscriber.hasLeft = true;
    const left = shared.subscribers.filter((it) => it !== subscriber);
    if (left.length === shared.subscribers.length) return;
    shared.subscribers = left;
    if (left.length > 0) return;
    if (this.#patterns.get(shared.pattern) === shared) this.#patterns.delete(shared.pattern);
    shared.leave();
  }

  #receive(shared: Shared, wire: string, frame: Uint8Array): void {
    const topic = this.#site.space.topicOf(wire);
    try {
      const { envelope, payload } = decodeMessage(frame);
      const data = decodePayload(payload);
      for (const to of shared.subscribers) this.#tell(to, data, topic, () => envelope);
    } catch (error) {
      this.#site.onError(error, `a message on ${topic}`);
    }
  }
}
