import type { Broker } from "../broker/broker.ts";

/**
 * A broker that many share: each gets a broker object of its own, so that nobody hears what it
 * published itself, and what somebody holds can be told from what others hold.
 */
export interface SharedBroker {
  readonly name: string;
  connect(): SessionBroker;
}

export interface SessionBroker extends Broker {
  /** The holder may come back: nothing more is offered to it, and what it holds stays its own. */
  suspend(): void;
  /** As `close`, but the holder has vanished: what it held may have been started. */
  abandon(): Promise<void>;
}
