/** Live fan-out of one session. */
import type { Broker, Publication } from "../broker/broker.ts";
import { readNumbered, writeNumbered } from "../broker/hub/operations/numbered.ts";
import {
  forwardPublish,
  isControl,
  readPublishNumber,
  readPublishTopic,
  readSubscribe,
  writeDropped,
  writeLoud,
  writePublish,
  writeQuiet,
  writeSubscriptionRefused,
  writeUnheard,
} from "../broker/hub/operations/topics.ts";
import { errorInfo, isColloquyError } from "../errors.ts";
import { type Frame, frameTypes } from "../message/frame.ts";
import type { FrameWriter } from "../message/frame-writer.ts";
import { assertPattern, assertTopic } from "../message/topic.ts";
import { Deferred } from "../runtime/deferred.ts";
import { checkUnused, tooManyOpen } from "./limits.ts";
import type { SessionContext, SessionPort } from "./session-port.ts";

/** Topics of one session that its client is spared to publish. */
const quietMax = 4_096;

const internalToken = /(?:^|\.)_/;

export class SessionTopics implements SessionPort {
  readonly #session: SessionContext;
  readonly #broker: Broker;
  readonly #subscriptions = new Map<number, AbortController>();
  /** Topics that the client does not publish, because nobody else hears them, and what ends the look-out. */
  readonly #quiet = new Map<string, () => void>();
  /** LOUDs that the client has not answered. */
  readonly #unheeded = new Map<number, Deferred>();
  #louds = 0;
  /** Its subscriptions count; once it has a successor, those of that one do. */
  #counts = true;
  #collected: Publication[] = [];
  /** By subscription: publications that the client was too slow for, and does not know of yet. */
  readonly #dropped = new Map<number, number>();

  constructor(session: SessionContext, broker: Broker) {
    this.#session = session;
    this.#broker = broker;
    session.handle(frameTypes.PUBLISH, (frame) => this.#collect(frame));
    session.handle(frameTypes.SUBSCRIBE, (frame) => this.#subscribe(frame));
    session.handleInOrder(frameTypes.UNSUBSCRIBE, (frame) =>
      this.#unsubscribe(readNumbered(frame)),
    );
    session.handle(frameTypes.HEEDED, (frame) => this.#heeded(readNumbered(frame)));
  }

  submit(): void {
    if (this.#collected.length === 0) return;
    const publications = this.#collected;
    this.#collected = [];
    this.#broker.topics.publish(publications);
  }

  succeeded(): void {
    for (const _ of this.#subscriptions) this.#session.subscriptions.give();
    this.#counts = false;
  }

  end(): void {
    this.#dropped.clear();
    for (const number of this.#subscriptions.keys()) this.#unsubscribe(number);
    for (const endLookout of this.#quiet.values()) endLookout();
    this.#quiet.clear();
    for (const number of this.#unheeded.keys()) this.#heeded(number);
  }

  #collect(frame: Frame): void {
    const number = readPublishNumber(frame);
    const topic = readPublishTopic(frame);
    assertTopic(topic, "internal");
    this.#collected.push(new ArrivedPublication(number, topic, frame, this));
  }

  /** Nobody was subscribed to what the client published, or nobody had room for it. */
  unheard(number: number, topic: string, noRoom: boolean): void {
    if (number === 0) return noRoom ? undefined : this.#quieten(topic);
    const { output } = this.#session;
    writeUnheard(output.control, number, noRoom);
    output.written();
  }

  /** Spares the client what nobody hears. Inboxes come and go: of those it is told each time. */
  #quieten(topic: string): void {
    if (this.#quiet.has(topic) || internalToken.test(topic)) return;
    // One that does not heed is not told of more.
    if (this.#quiet.size + this.#unheeded.size >= quietMax) return;
    const endLookout = this.#broker.topics.onReached?.(topic, () => this.#wake(topic));
    if (endLookout === undefined) return;
    this.#quiet.set(topic, endLookout);
    const { output } = this.#session;
    writeQuiet(output.control, topic);
    output.written();
  }

  /** Resolves when the client publishes again on the topic, or is gone. */
  #wake(topic: string): Promise<void> {
    const number = ++this.#louds;
    const heeded = new Deferred();
    this.#unheeded.set(number, heeded);
    this.#quiet.delete(topic);
    const { output } = this.#session;
    writeLoud(output.control, number, topic);
    output.written();
    return heeded.promise;
  }

  #heeded(number: number): void {
    this.#unheeded.get(number)?.resolve();
    this.#unheeded.delete(number);
  }

  #subscribe(frame: Frame): void {
    const { subscription: number, pattern } = readSubscribe(frame);
    assertPattern(pattern, "internal");
    checkUnused("subscription", this.#subscriptions.has(number));
    const { limits, subscriptions } = this.#session;
    const problem =
      tooManyOpen("subscriptions", this.#subscriptions.size, limits) ?? subscriptions.take();
    if (problem !== undefined) return this.#refuse(number, problem);
    const controller = new AbortController();
    this.#subscriptions.set(number, controller);
    const inForce = this.#listen(pattern, number, controller.signal);
    const told = inForce.then(() => {
      writeNumbered(this.#session.output.control, frameTypes.SUBSCRIBED, number);
      this.#session.output.written();
    });
    const refused = told.catch((error: unknown) => {
      if (!isColloquyError(error, "FORBIDDEN")) throw error;
      if (this.#subscriptions.get(number) === controller) this.#unsubscribe(number);
      this.#refuse(number, error);
    });
    this.#session.guard(refused);
  }

  #refuse(number: number, error: unknown): void {
    const { output } = this.#session;
    writeSubscriptionRefused(output.data, number, errorInfo(error));
    output.written();
  }

  #unsubscribe(number: number): void {
    const subscription = this.#subscriptions.get(number);
    if (subscription === undefined) return;
    this.#subscriptions.delete(number);
    if (this.#counts) this.#session.subscriptions.give();
    subscription.abort();
  }

  #listen(pattern: string, number: number, signal: AbortSignal): Promise<void> {
    const { topics } = this.#broker;
    const deliver = (publication: Publication): boolean => this.#deliver(number, publication);
    if (topics.overhear !== undefined) return topics.overhear(pattern, deliver, signal);
    return topics.subscribe(
      pattern,
      (topic, frame, control = false) => void deliver({ topic, frame, control }),
      signal,
    );
  }

  /** @returns false where the client is too slow for it. */
  #deliver(number: number, publication: Publication): boolean {
    const { output, limits } = this.#session;
    if (publication.control === true) {
      // Not one of them may be lost while the link stands.
      if (output.backlogBytes >= limits.backlogBytesMax) {
        this.#session.destroy();
        // Whether it got this far, or gets it from its next session, nobody can tell.
        return true;
      }
      write(output.control, number, publication);
    } else if (output.backlogBytes < limits.liveBacklogBytesMax) {
      if (this.#dropped.size > 0) this.#tellDropped();
      write(output.data, number, publication);
    } else {
      this.#drop(number);
      return false;
    }
    output.written();
    return true;
  }

  /** The client is told as soon as there is room for it, whether anything more is published or not. */
  #drop(number: number): void {
    const { output, limits } = this.#session;
    if (this.#dropped.size === 0) {
      void output.below(limits.liveBacklogBytesMax).then(() => this.#tellDropped());
    }
    this.#dropped.set(number, (this.#dropped.get(number) ?? 0) + 1);
  }

  #tellDropped(): void {
    const { output } = this.#session;
    for (const [number, count] of this.#dropped) writeDropped(output.data, count, number);
    this.#dropped.clear();
    output.written();
  }
}

/** As it came over a link: it leaves over others as it is, but for its number. */
class ArrivedPublication implements Publication {
  readonly topic: string;
  readonly arrived: Frame;
  readonly #number: number;
  readonly #publisher: SessionTopics;

  constructor(number: number, topic: string, arrived: Frame, publisher: SessionTopics) {
    this.#number = number;
    this.topic = topic;
    this.arrived = arrived;
    this.#publisher = publisher;
  }

  get frame(): Uint8Array {
    return this.arrived.payload;
  }

  get control(): boolean {
    return isControl(this.arrived);
  }

  onUnheard(noRoom: boolean): void {
    this.#publisher.unheard(this.#number, this.topic, noRoom);
  }
}

function write(writer: FrameWriter, number: number, publication: Publication): void {
  if (publication instanceof ArrivedPublication) {
    return forwardPublish(writer, number, publication.arrived);
  }
  const { topic, frame, control } = publication;
  writePublish(writer, number, topic, frame, control === true);
}
