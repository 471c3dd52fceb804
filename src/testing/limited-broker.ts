import type { Broker, BrokerStatus, Capabilities, Log, Store } from "../broker/broker.ts";
import {
  anObject,
  type Checks,
  checkOptions,
  flag,
  oneOf,
  wholeNumber,
} from "../message/checks.ts";

/**
 * A broker that admits to less than it can do: what a program has to live with on a poorer one. Put
 * it behind `withRuntime`, which refuses what the capabilities deny.
 *
 * @param lacking - what is changed in the capabilities of `broker`; `store: false` and `log: false`
 *   take the port away.
 */
export function limitedBroker(broker: Broker, lacking: Partial<Capabilities>): Broker {
  checkOptions(lacking, capabilityChecks);
  return new LimitedBroker(broker, lacking);
}

const capabilityChecks: Checks<Capabilities> = {
  durability: anObject,
  effects: oneOf("atomic", "outbox"),
  store: flag,
  log: flag,
  priorities: flag,
  delay: flag,
  keyOrder: flag,
  exactlyOnce: flag,
  frameBytesMax: wholeNumber(1),
};

class LimitedBroker implements Broker {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly topics: Broker["topics"];
  readonly queues: Broker["queues"];
  readonly store: Store | undefined;
  readonly log: Log | undefined;
  readonly #broker: Broker;

  constructor(broker: Broker, lacking: Partial<Capabilities>) {
    this.name = `limited ${broker.name}`;
    this.capabilities = { ...broker.capabilities, ...lacking };
    this.topics = broker.topics;
    this.queues = broker.queues;
    this.store = this.capabilities.store ? broker.store : undefined;
    this.log = this.capabilities.log ? broker.log : undefined;
    this.#broker = broker;
  }

  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    return this.#broker.statuses(signal);
  }

  close(): Promise<void> {
    return this.#broker.close();
  }
}
