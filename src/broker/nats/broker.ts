/** The four ports over one connection. */
import type { Broker, BrokerStatus, Capabilities, Log, Queues, Store, Topics } from "../broker.ts";
import type { NatsLink } from "./connection.ts";
import { NatsLog } from "./log.ts";
import { durabilityOf, frameBytesMax, type ProbeCheck, probeChecks } from "./probe.ts";
import { NatsStore } from "./store.ts";
import { NatsTopics } from "./topics.ts";

/** What the queues of a broker can do. */
export type QueueCapabilities = Pick<
  Capabilities,
  "effects" | "priorities" | "delay" | "keyOrder" | "exactlyOnce"
>;

export interface NatsQueuesPart {
  readonly queues: Queues;
  readonly capabilities: QueueCapabilities;
}

/** Makes the queues of one broker object. */
export type OpenQueues = (link: NatsLink) => Promise<NatsQueuesPart>;

export class NatsBroker implements Broker {
  readonly name: string;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly store: Store;
  readonly log: Log;
  readonly #link: NatsLink;
  readonly #queueCapabilities: QueueCapabilities;

  private constructor(link: NatsLink, { queues, capabilities }: NatsQueuesPart) {
    this.name = link.settings.name;
    this.topics = new NatsTopics(link);
    this.store = new NatsStore(link);
    this.log = new NatsLog(link);
    this.queues = queues;
    this.#link = link;
    this.#queueCapabilities = capabilities;
  }

  /** @param link - from now on the broker's to close. */
  static async open(link: NatsLink, openQueues: OpenQueues): Promise<NatsBroker> {
    try {
      return new NatsBroker(link, await openQueues(link));
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  /** As of the present connection, or the last one. */
  get capabilities(): Capabilities {
    const { facts } = this.#link;
    return {
      ...this.#queueCapabilities,
      durability: durabilityOf(facts),
      store: true,
      log: true,
      frameBytesMax: frameBytesMax(facts.server),
    };
  }

  /** What was found of the server, and what to change where it could be better. */
  get checks(): readonly ProbeCheck[] {
    return probeChecks(this.#link.facts);
  }

  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    return this.#link.statuses.read(signal);
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}
