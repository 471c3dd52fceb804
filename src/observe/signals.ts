/**
 * What happens in a process, for whoever wants to know: traces, metrics, logs, a console. Each signal
 * is a channel of Node's `diagnostics_channel`, named "colloquy:" and its name here, so that tools
 * can listen without importing Colloquy. A signal that nobody listens to costs one comparison:
 *
 *   if (messageSent.heard) messageSent.tell({ ... });
 */
import { type Channel, channel } from "node:diagnostics_channel";

export class Signal<Fact extends object> {
  readonly #channel: Channel;

  constructor(name: string) {
    this.#channel = channel(`colloquy:${name}`);
  }

  /** The channel's, for `diagnostics_channel.subscribe`. */
  get name(): string {
    return String(this.#channel.name);
  }

  /** Ask before making the fact. */
  get heard(): boolean {
    return this.#channel.hasSubscribers;
  }

  /** Calls every listener, at once. What a listener throws is an uncaught exception, not the caller's. */
  tell(fact: Fact): void {
    this.#channel.publish(fact);
  }

  /** @returns what stops listening; safe to repeat. */
  listen(listener: (fact: Fact) => void): () => void {
    const receive = (fact: unknown) => listener(fact as Fact);
    this.#channel.subscribe(receive);
    return () => {
      this.#channel.unsubscribe(receive);
    };
  }
}

/** A message left its sender: towards a broker, or to a handler of the same process. */
export interface MessageSent {
  readonly id: string;
  readonly kind: string;
  /** Method, topic or command. */
  readonly name: string;
  /** Agent id. */
  readonly from: string;
  /** Addresses, or the topic of an event. */
  readonly to: readonly string[];
  /** W3C `traceparent`, where the message has one. */
  readonly trace?: string;
}

/** A handler was given a message. */
export interface MessageDelivered {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  /** Id of the agent that handles it. */
  readonly agent: string;
  /** 1, and more for a message that was offered before. */
  readonly attempt: number;
  readonly trace?: string;
}

/** A handler is through with a message. */
export interface MessageSettled {
  readonly id: string;
  readonly agent: string;
  /** "done", "failed", "retry", "dead" or "release". */
  readonly outcome: string;
  /** Milliseconds from delivery on. */
  readonly durationMs: number;
  /** Of a failure. */
  readonly code?: string;
}

/** A reply came when nobody waited for it any more, and was dropped. */
export interface LateReply {
  readonly id: string;
  /** The request's. */
  readonly correlationId: string;
}

/** A connection was lost, is back, or is closed. */
export interface BrokerStatusChange {
  readonly broker: string;
  readonly status: "ready" | "lost" | "closed";
  readonly cause?: unknown;
}

export const messageSent: Signal<MessageSent> = new Signal("message.sent");
export const messageDelivered: Signal<MessageDelivered> = new Signal("message.delivered");
export const messageSettled: Signal<MessageSettled> = new Signal("message.settled");
export const replyLate: Signal<LateReply> = new Signal("reply.late");
export const brokerStatus: Signal<BrokerStatusChange> = new Signal("broker.status");
