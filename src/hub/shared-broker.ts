import type { Broker } from "../broker/broker.ts";

/**
 * A broker that many share: each gets a broker object of its own, so that nobody hears what it
 * published itself, and what somebody holds can be told from what others hold.
 */
export interface SharedBroker {
  /** @param name - who it is for, for people. */
  connect(name: string): Broker;
}
