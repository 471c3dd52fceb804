/** A memory broker shared by a hub, over links that can be cut, on one virtual clock. */
import { test } from "vitest";
import type { Broker } from "../../src/broker/broker.ts";
import { openHubBroker } from "../../src/broker/hub.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import {
  brokerCases,
  casesFor,
  MemoryNetwork,
  SeededRandom,
  type Subject,
  VirtualClock,
} from "../../src/testing/index.ts";

async function open(clock: VirtualClock): Promise<Subject> {
  const random = new SeededRandom(1);
  const network = new MemoryNetwork({
    clock,
    random,
    conditions: { latencyMs: { min: 0, max: 1 }, chunks: "anywhere" },
  });
  const shared = openMemoryBroker({ clock });
  const hub = new Hub({ broker: shared, clock, id: "01JHUB00000000000000000000" });
  await network.listen("hub", (link) => hub.accept(link));
  const hosts = new Map<Broker, string>();
  const connect = async (): Promise<Broker> => {
    const host = `client ${hosts.size}`;
    const broker = await openHubBroker({
      connect: network.connect("hub", host),
      clock,
      random,
      name: host,
    });
    hosts.set(broker, host);
    return broker;
  };
  return {
    clock,
    broker: await connect(),
    connect,
    disconnect: async (client) => network.cut(hosts.get(client)),
    close: async () => {
      await Promise.all([...hosts.keys()].map((broker) => broker.close()));
      await hub.close();
      await shared.close();
    },
  };
}

const { capabilities } = openMemoryBroker();
const abilities = { disconnect: true, unheard: true };
for (const { name, run } of casesFor(capabilities, brokerCases, abilities)) {
  test(name, async () => {
    const clock = new VirtualClock();
    await clock.until(run(() => open(clock)));
  });
}
