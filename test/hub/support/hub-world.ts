/** A hub over a broker in memory, and its clients, in one thread on a virtual clock. */
import type { Broker, Delivery, Log, QueuedMessage, Store } from "../../../src/broker/broker.ts";
import { readDeliver, writeReceive } from "../../../src/broker/hub/operations/receive.ts";
import { type HubBroker, type HubBrokerLimits, openHubBroker } from "../../../src/broker/hub.ts";
import { type MemoryBroker, openMemoryBroker } from "../../../src/broker/memory.ts";
import { Hub, type HubOptions } from "../../../src/hub/hub.ts";
import { frameTypes } from "../../../src/message/frame.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { MemoryNetwork } from "../../../src/testing/memory-network.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { RawClient } from "./raw-client.ts";

export const never: AbortSignal = new AbortController().signal;

export const message: QueuedMessage = {
  frame: Uint8Array.of(1, 2, 3),
  lane: 2,
  guarantee: "at-least-once",
  id: "",
};

export interface WorldOptions extends Partial<HubOptions> {
  /** What is otherwise than with the broker in memory, for each session of the hub. */
  readonly alter?: (broker: Broker) => Partial<Broker>;
}

export class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: SeededRandom = new SeededRandom(7);
  readonly network: MemoryNetwork = new MemoryNetwork({ clock: this.clock, random: this.random });
  readonly broker: MemoryBroker = openMemoryBroker({ clock: this.clock });
  readonly hub: Hub;

  constructor({ alter, ...options }: WorldOptions = {}) {
    const connect = (name: string) => alteredBroker(this.broker.connect(name), alter);
    this.hub = new Hub({ broker: { connect }, clock: this.clock, id: "hub", ...options });
  }

  get store(): Store {
    return this.broker.store as Store;
  }

  get log(): Log {
    return this.broker.log as Log;
  }

  async open(): Promise<this> {
    await this.network.listen("hub", (link) => this.hub.accept(link));
    await this.broker.queues.declare(["jobs"]);
    return this;
  }

  client(name: string, limits: Partial<HubBrokerLimits> = {}): Promise<HubBroker> {
    const { clock, random } = this;
    const connect = this.network.connect("hub", name);
    return openHubBroker({
      connect,
      clock,
      random,
      name,
      limits: { unacknowledgedMessagesMax: 4, ...limits },
    });
  }

  async raw(name: string, reads = true): Promise<RawClient> {
    return new RawClient(await this.network.connect("hub", name)(never), reads);
  }
}

/** Runs `body` while the clock of its world moves. */
export function inWorld(
  options: WorldOptions,
  body: (world: World) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const world = new World(options);
    await world.clock.until(world.open().then(body));
    await world.hub.close();
  };
}

export function receiveOn(
  client: RawClient,
  claims: readonly Delivery[],
  credit = 100,
  hearsNotices = false,
): void {
  const receive = { receiver: 1, queue: "jobs", credit, consumer: "raw", claims, hearsNotices };
  client.write((writer) => writeReceive(writer, receive));
}

export function deliveriesOf(client: RawClient): readonly Delivery[] {
  return client.frames
    .filter(({ type }) => type === frameTypes.DELIVER)
    .map((frame) => readDeliver(frame, "jobs"));
}

export async function takeOne(broker: Broker): Promise<Delivery> {
  const options = { credit: 1, consumer: "one" };
  const batches = broker.queues.receive("jobs", options, never)[Symbol.asyncIterator]();
  const { value } = await batches.next();
  return (value as readonly Delivery[])[0] as Delivery;
}

function alteredBroker(broker: Broker, alter: WorldOptions["alter"]): Broker {
  if (alter === undefined) return broker;
  const { name, capabilities, topics, queues, store, log } = broker;
  return {
    ...{ name, capabilities, topics, queues, store, log },
    statuses: (signal) => broker.statuses(signal),
    close: () => broker.close(),
    ...alter(broker),
  };
}
