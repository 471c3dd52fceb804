/**
 * What happens in a process, for whoever wants to know: traces, metrics, logs, a console. Each signal
 * is a channel of Node's `diagnostics_channel`, named "colloquy:" and its name here, so that tools
 * can listen without importing Colloquy; in a page, one of our own. A signal that nobody listens to costs one comparison:
 *
 *   if (brokerStatus.heard) brokerStatus.tell({ ... });
 */
import { builtin } from "../runtime/builtin.ts";
import { LocalChannel } from "./local-channel.ts";

const channel = builtin("node:diagnostics_channel")?.channel;

/** The part of a channel of Node that is used here. */
interface Channel {
  readonly name: string | symbol;
  readonly hasSubscribers: boolean;
  publish(fact: unknown): void;
  subscribe(listener: (fact: unknown) => void): void;
  unsubscribe(listener: (fact: unknown) => void): unknown;
}

export class Signal<Fact extends object> {
  readonly #channel: Channel;

  constructor(name: string) {
    const full = `colloquy:${name}`;
    this.#channel = channel?.(full) ?? new LocalChannel(full);
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

/** A connection was lost, is back, or is closed. */
export interface BrokerStatusChange {
  readonly broker: string;
  readonly status: "ready" | "lost" | "closed";
  readonly cause?: unknown;
  /** With "lost": which attempt to connect again comes next, and in how many milliseconds. */
  readonly attempt?: number;
  readonly delayMs?: number;
}

export const brokerStatus: Signal<BrokerStatusChange> = new Signal("broker.status");
