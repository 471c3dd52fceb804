/** The four ports over one connection. */
import type { Broker, BrokerStatus, Capabilities, Log, Queues, Store, Topics } from "../broker.ts";
import type { ProbeCheck } from "../probe.ts";
import type { NatsLink } from "./connection.ts";
import { NatsLog } from "./log.ts";
import { durabilityOf, frameBytesMax, probeChecks } from "./probe.ts";
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

/** What queues are made from: the other ports of the same broker object, over the same connection. */
export interface NatsPorts {
  readonly link: NatsLink;
  readonly topics: NatsTopics;
  readonly store: NatsStore;
  readonly log: NatsLog;
}

/** Makes the queues of one broker object. */
export type OpenQueues = (ports: NatsPorts) => Promise<NatsQueuesPart>;

export class NatsBroker implements Broker {
  readonly name: string;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly store: Store;
  readonly log: Log;
  readonly #link: NatsLink;
  readonly #queueCapabilities: QueueCapabilities;

  private constructor(ports: NatsPorts, { queues, capabilities }: NatsQueuesPart) {
    const { link, topics, store, log } = ports;
    this.name = link.settings.name;
    this.topics = topics;
    this.store = store;
    this.log = log;
    this.queues = queues;
    this.#link = link;
    this.#queueCapabilities = capabilities;
  }

  /** @param link - from now on the broker's to close. */
  static async open(link: NatsLink, openQueues: OpenQueues): Promise<NatsBroker> {
    const topics = new NatsTopics(link);
    const ports = { link, topics, store: new NatsStore(link), log: new NatsLog(link) };
    try {
      return new NatsBroker(ports, await openQueues(ports));
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
