/** What waits under a signal that outlives its broker: closing takes the listeners off. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import type { Broker, Log, Store } from "../../src/broker/broker.ts";
import { openHubBroker } from "../../src/broker/hub.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { MemoryNetwork } from "../../src/testing/memory-network.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

const brokers: readonly { readonly name: string; open(clock: VirtualClock): Promise<Broker> }[] = [
  { name: "memory", open: async (clock) => openMemoryBroker({ clock }) },
  {
    name: "hub",
    open: async (clock) => {
      const random = new SeededRandom(1);
      const network = new MemoryNetwork({ clock, random });
      const hub = new Hub({ broker: openMemoryBroker({ clock }), clock, id: "hub" });
      await network.listen("hub", (link) => hub.accept(link));
      const connect = network.connect("hub");
      return clock.until(openHubBroker({ connect, clock, random, name: "client" }));
    },
  },
];

for (const { name, open } of brokers) {
  test(`${name}: a signal that lives on keeps nothing of a broker that is closed`, async () => {
    const clock = new VirtualClock();
    const broker = await open(clock);
    const { signal } = new AbortController();
    await clock.until(broker.queues.declare(["jobs"]));
    const waiting = waitForEverything(broker, signal);
    await clock.settle();
    expect(getEventListeners(signal, "abort")).not.toEqual([]);
    await clock.until(broker.close());
    await clock.settle();
    expect(getEventListeners(signal, "abort")).toEqual([]);
    await Promise.all(waiting);
  });
}

function waitForEverything(broker: Broker, signal: AbortSignal): readonly Promise<unknown>[] {
  const { topics, queues } = broker;
  const [store, log] = [broker.store as Store, broker.log as Log];
  const ignore = () => {};
  const read = async (items: AsyncIterable<unknown>) => {
    for await (const _ of items);
  };
  const waiting: Promise<unknown>[] = [
    topics.subscribe("a.>", ignore, signal),
    topics.subscribe("a.>", ignore, signal),
    store.watch("", ignore, signal),
    read(queues.receive("jobs", { credit: 1, consumer: "one" }, signal)),
    read(log.read("s", 1, { follow: true }, signal)),
    read(broker.statuses(signal)),
  ];
  return waiting.map((one) => one.catch(ignore));
}
