/** A broker over one Redis server, or over what speaks as it does. */
import { messageFrameBytesMax } from "../../message/limits.ts";
import { onAbort, throwIfAborted } from "../../runtime/abort.ts";
import type { Broker, BrokerStatus, Capabilities, Queues } from "../broker.ts";
import type { ProbeCheck } from "../probe.ts";
import { prototypeClient } from "./client.ts";
import { RedisConnection } from "./connection.ts";
import { library } from "./library.ts";
import { RedisLog } from "./log.ts";
import { type RedisBrokerOptions, redisSettings } from "./options.ts";
import { Probe } from "./probe.ts";
import { Sessions } from "./sessions.ts";
import { RedisStore } from "./store.ts";
import { Subscriptions } from "./subscriptions.ts";
import { RedisTopics } from "./topics.ts";

/** What queues are made from: the ports of the same broker object, over the same connection. */
export interface RedisPorts {
  readonly connection: RedisConnection;
  readonly subscriptions: Subscriptions;
  readonly topics: RedisTopics;
  readonly store: RedisStore;
  readonly log: RedisLog;
}

export class RedisBroker implements Broker {
  readonly name: string;
  readonly topics: RedisTopics;
  readonly queues: Queues;
  readonly store: RedisStore;
  readonly log: RedisLog;
  readonly #connection: RedisConnection;
  readonly #probe: Probe;

  private constructor(
    name: string,
    ports: RedisPorts,
    probe: Probe,
    makeQueues: (ports: RedisPorts) => Queues,
  ) {
    this.name = name;
    this.topics = ports.topics;
    this.store = ports.store;
    this.log = ports.log;
    this.queues = makeQueues(ports);
    this.#connection = ports.connection;
    this.#probe = probe;
  }

  /** @throws what `openRedisBroker` does. */
  static async open(
    given: string | RedisBrokerOptions,
    makeQueues: (ports: RedisPorts) => Queues,
  ): Promise<RedisBroker> {
    const options = redisSettings(given);
    const { signal } = options;
    const prototype = options.client ?? (await prototypeClient(options.connect ?? {}));
    const connection = new RedisConnection(options, prototype, library);
    // In the order in which a link begins: the others find their channels in force, and know the server.
    const subscriptions = new Subscriptions(connection);
    const probe = new Probe(connection);
    new Sessions(connection, () => probe.facts.run ?? "");
    const topics = new RedisTopics(connection, subscriptions);
    const store = new RedisStore(connection, subscriptions);
    const log = new RedisLog(connection, subscriptions);
    const ports = { connection, subscriptions, topics, store, log };
    const broker = new RedisBroker(options.where, ports, probe, makeQueues);
    throwIfAborted(signal);
    const forget = onAbort(signal, () => void connection.close());
    try {
      await connection.open();
      return broker;
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      forget();
    }
  }

  get capabilities(): Capabilities {
    return {
      durability: this.#probe.claim,
      effects: "atomic",
      store: true,
      log: true,
      priorities: true,
      delay: true,
      keyOrder: true,
      exactlyOnce: true,
      frameBytesMax: messageFrameBytesMax,
    };
  }

  /** What was found out about the server when the present connection began. */
  get checks(): readonly ProbeCheck[] {
    return this.#probe.checks;
  }

  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    return this.#connection.statuses.read(signal);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
