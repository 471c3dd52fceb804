/**
 * Live fan-out, as a client sees it. The hub knows one subscription per pattern, however many in this
 * process share it, and sends each publication once for it.
 */
import { type ColloquyError, errorFromInfo } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import { type Frame, frameTypes } from "../../message/frame.ts";
import { assertPattern, assertTopic, isExact } from "../../message/topic.ts";
import { onAbort, throwIfAborted, withAbort } from "../../runtime/abort.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { Publication, ReceivePublication, SubscriptionEvents, Topics } from "../broker.ts";
import type { HubConnection, SessionPart } from "./connection.ts";
import { readNumbered, writeNumbered } from "./operations/numbered.ts";
import {
  isControl,
  readDropped,
  readLoud,
  readPublishNumber,
  readPublishTopic,
  readQuiet,
  readSubscribed,
  readUnheard,
  writePublish,
  writeSubscribe,
} from "./operations/topics.ts";
import { Window } from "./window.ts";

interface Receiver {
  readonly receive: ReceivePublication;
  readonly events: SubscriptionEvents;
  stopListening: () => void;
}

interface Subscription {
  readonly number: number;
  readonly pattern: string;
  /** The only topic it can match; undefined for a pattern with wildcards. */
  readonly topic: string | undefined;
  /** Replaced, never changed: it may be walked while somebody leaves. */
  receivers: readonly Receiver[];
  readonly inForce: Deferred;
  wasInForce: boolean;
}

const noEvents: SubscriptionEvents = {};

/** Publications that want to know whether they were heard, before the hub is asked how far it is: each keeps alive what it was published for. */
const questionsMax = 128;

export class Subscriptions implements Topics, SessionPart {
  readonly #connection: HubConnection;
  readonly #waitingBytesMax: number;
  readonly #byNumber = new Map<number, Subscription>();
  readonly #byPattern = new Map<string, Subscription>();
  /** Topics that nobody else hears; the hub says when that is over. */
  readonly #quiet = new Set<string>();
  /** Publications that want to know when nobody heard them. Heard ones are never answered, see `#heard`. */
  readonly #questions = new Window<Publication>(1);
  /** Where the questions ended when a PING with that number went out; undefined when none is on its way. */
  #askedUpTo: number | undefined;
  #numbers = 0;
  #droppedCount = 0;

  /** @param waitingBytesMax - for the link, beyond which publications are lost. */
  constructor(connection: HubConnection, waitingBytesMax: number) {
    this.#connection = connection;
    this.#waitingBytesMax = waitingBytesMax;
    connection.handle(frameTypes.PUBLISH, (frame) => this.#deliver(frame));
    connection.handle(frameTypes.UNHEARD, (frame) => {
      const { number, noRoom } = readUnheard(frame);
      this.#questions.take(number)?.onUnheard?.(noRoom);
    });
    connection.handle(frameTypes.SUBSCRIBED, (frame) => {
      const { number, refusal } = readSubscribed(frame);
      const subscription = this.#byNumber.get(number);
      if (subscription === undefined) return;
      if (refusal !== undefined) return this.#refused(subscription, errorFromInfo(refusal));
      subscription.wasInForce = true;
      subscription.inForce.resolve();
    });
    connection.handle(frameTypes.DROPPED, (frame) => this.#dropped(frame));
    connection.handle(frameTypes.QUIET, (frame) => this.#quiet.add(readQuiet(frame)));
    connection.handle(frameTypes.LOUD, (frame) => this.#heed(frame));
    connection.handle(frameTypes.PONG, (frame) => this.#heard(readNumbered(frame)));
    connection.add(this);
  }

  /** Publications that the hub did not deliver here because this process was too slow. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  hasRoom(): boolean {
    const { output } = this.#connection;
    return output === undefined || output.backlogBytes < this.#waitingBytesMax;
  }

  reaches(topic: string): boolean {
    return !this.#quiet.has(topic);
  }

  publish(publications: readonly Publication[]): void {
    const { output, failure } = this.#connection;
    if (failure !== undefined) throw failure;
    for (const publication of publications) {
      const { topic, frame, control } = publication;
      assertTopic(topic, "internal");
      if (output === undefined) continue;
      if (control !== true && !this.hasRoom()) {
        // Not from within the call: whoever is told may publish again.
        queueMicrotask(() => publication.onUnheard?.(true));
        continue;
      }
      const asks = publication.onUnheard !== undefined;
      const number = asks ? this.#questions.add(publication) : 0;
      const writer = control === true ? output.control : output.data;
      writePublish(writer, number, topic, frame, control === true);
      output.written();
    }
    if (output !== undefined && this.#questions.size > questionsMax) this.#ask(output);
  }

  async subscribe(
    pattern: string,
    receive: ReceivePublication,
    signal: AbortSignal,
    events: SubscriptionEvents = noEvents,
  ): Promise<void> {
    assertPattern(pattern, "internal");
    throwIfAborted(signal);
    const { failure } = this.#connection;
    if (failure !== undefined) throw failure;
    const subscription = this.#byPattern.get(pattern) ?? this.#open(pattern);
    const receiver: Receiver = { receive, events, stopListening: () => {} };
    subscription.receivers = [...subscription.receivers, receiver];
    receiver.stopListening = onAbort(signal, () => this.#leave(subscription, receiver));
    await withAbort(subscription.inForce.promise, signal);
  }

  /** As control frames: what is asked on one of them next must not come before, or its answer is lost. */
  begun(output: FrameOutput): void {
    for (const { number, pattern } of this.#byNumber.values()) {
      writeSubscribe(output.control, number, pattern);
      output.written();
    }
  }

  /** Whether they were heard will never be known. */
  lost(): void {
    this.#questions.dropBelow(this.#questions.next);
    this.#askedUpTo = undefined;
    this.#quiet.clear();
  }

  closed(error: ColloquyError): void {
    for (const subscription of this.#byNumber.values()) endWith(subscription, error);
    this.#byNumber.clear();
    this.#byPattern.clear();
    this.lost();
  }

  #heed(frame: Frame): void {
    const { number, topic } = readLoud(frame);
    this.#quiet.delete(topic);
    const { output } = this.#connection;
    if (output === undefined) return;
    writeNumbered(output.control, frameTypes.HEEDED, number);
    output.written();
  }

  /** In its first session whoever subscribes is told by that; in a later one it had been in force. */
  #refused(subscription: Subscription, error: ColloquyError): void {
    const { receivers, wasInForce } = subscription;
    this.#byNumber.delete(subscription.number);
    this.#byPattern.delete(subscription.pattern);
    endWith(subscription, error);
    if (wasInForce) for (const { events } of receivers) events.onEnded?.(error);
  }

  #dropped(frame: Frame): void {
    const { count, subscription } = readDropped(frame);
    this.#droppedCount += count;
    const { receivers = [] } = this.#byNumber.get(subscription) ?? {};
    for (const { events } of receivers) events.onDropped?.(count);
  }

  #open(pattern: string): Subscription {
    const number = ++this.#numbers;
    const topic = isExact(pattern) ? pattern : undefined;
    const inForce = new Deferred();
    const subscription = { number, pattern, topic, receivers: [], inForce, wasInForce: false };
    this.#byNumber.set(number, subscription);
    this.#byPattern.set(pattern, subscription);
    const { output } = this.#connection;
    if (output !== undefined) {
      writeSubscribe(output.data, number, pattern);
      output.written();
    }
    return subscription;
  }

  #leave(subscription: Subscription, receiver: Receiver): void {
    const index = subscription.receivers.indexOf(receiver);
    if (index === -1) return;
    subscription.receivers = subscription.receivers.toSpliced(index, 1);
    if (subscription.receivers.length > 0) return;
    this.#byNumber.delete(subscription.number);
    this.#byPattern.delete(subscription.pattern);
    const { output } = this.#connection;
    if (output === undefined) return;
    writeNumbered(output.data, frameTypes.UNSUBSCRIBE, subscription.number);
    output.written();
  }

  #deliver(frame: Frame): void {
    const subscription = this.#byNumber.get(readPublishNumber(frame));
    if (subscription === undefined) return;
    const topic = subscription.topic ?? readPublishTopic(frame);
    const { payload } = frame;
    const control = isControl(frame);
    for (const { receive } of subscription.receivers) receive(topic, payload, control);
  }

  /** The hub answers in order: what it has not called unheard by its PONG was heard. */
  #ask(output: FrameOutput): void {
    if (this.#askedUpTo !== undefined) return;
    this.#askedUpTo = this.#questions.next;
    writeNumbered(output.data, frameTypes.PING, this.#askedUpTo);
    output.written();
  }

  #heard(upTo: number): void {
    if (this.#askedUpTo !== upTo) return;
    this.#questions.dropBelow(upTo);
    this.#askedUpTo = undefined;
  }
}

/** Nobody is told anything any more; a signal that lives on must not keep what it was for. */
function endWith(subscription: Subscription, error: ColloquyError): void {
  for (const { stopListening } of subscription.receivers) stopListening();
  subscription.receivers = [];
  subscription.inForce.promise.catch(() => {});
  subscription.inForce.reject(error);
}
