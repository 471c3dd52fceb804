/** Live fan-out of one session. */
import type { Broker, Publication } from "../broker/broker.ts";
import { readNumbered, writeNumbered } from "../broker/hub/operations/numbered.ts";
import {
  isControl,
  readPublishNumber,
  readPublishTopic,
  readSubscribe,
  writePublish,
} from "../broker/hub/operations/topics.ts";
import { type Frame, frameTypes } from "../message/frame.ts";
import { assertPattern, assertTopic } from "../message/topic.ts";
import { checkOpen } from "./limits.ts";
import type { SessionContext, SessionPort } from "./session-port.ts";

export class SessionTopics implements SessionPort {
  readonly #session: SessionContext;
  readonly #broker: Broker;
  readonly #subscriptions = new Map<number, AbortController>();
  #collected: Publication[] = [];
  /** Publications that the client was too slow for, and does not know of yet. */
  #dropped = 0;

  constructor(session: SessionContext, broker: Broker) {
    this.#session = session;
    this.#broker = broker;
    session.handle(frameTypes.PUBLISH, (frame) => this.#collect(frame));
    session.handle(frameTypes.SUBSCRIBE, (frame) => this.#subscribe(frame));
    session.handleInOrder(frameTypes.UNSUBSCRIBE, (frame) => {
      const number = readNumbered(frame);
      this.#subscriptions.get(number)?.abort();
      this.#subscriptions.delete(number);
    });
  }

  submit(): void {
    if (this.#collected.length === 0) return;
    const publications = this.#collected;
    this.#collected = [];
    this.#broker.topics.publish(publications);
  }

  end(): void {
    for (const subscription of this.#subscriptions.values()) subscription.abort();
    this.#subscriptions.clear();
  }

  #collect(frame: Frame): void {
    const number = readPublishNumber(frame);
    const topic = readPublishTopic(frame);
    assertTopic(topic, "internal");
    const publication = { topic, frame: frame.payload, control: isControl(frame) };
    if (number === 0) this.#collected.push(publication);
    else this.#collected.push({ ...publication, onUnheard: () => this.#unheard(number) });
  }

  #unheard(number: number): void {
    const { output } = this.#session;
    writeNumbered(output.control, frameTypes.UNHEARD, number);
    output.written();
  }

  #subscribe(frame: Frame): void {
    const { subscription: number, pattern } = readSubscribe(frame);
    assertPattern(pattern, "internal");
    checkOpen("subscriptions", this.#subscriptions.size, this.#session.limits);
    const controller = new AbortController();
    this.#subscriptions.set(number, controller);
    const deliver = (topic: string, payload: Uint8Array, control?: boolean): void =>
      this.#deliver(number, topic, payload, control === true);
    const inForce = this.#broker.topics.subscribe(pattern, deliver, controller.signal);
    const told = inForce.then(() => {
      writeNumbered(this.#session.output.control, frameTypes.SUBSCRIBED, number);
      this.#session.output.written();
    });
    this.#session.guard(told);
  }

  #deliver(number: number, topic: string, payload: Uint8Array, control: boolean): void {
    const { output, limits } = this.#session;
    if (control) {
      writePublish(output.control, number, topic, payload, true);
    } else if (output.backlogBytes < limits.liveBacklogBytesMax) {
      if (this.#dropped > 0) this.#tellDropped();
      writePublish(output.data, number, topic, payload, false);
    } else {
      this.#dropped++;
      return;
    }
    output.written();
  }

  #tellDropped(): void {
    writeNumbered(this.#session.output.data, frameTypes.DROPPED, this.#dropped);
    this.#dropped = 0;
  }
}
