/** A hub over a broker in memory and its clients, joined by a network in memory, on a clock moved by hand. */
import type { Broker } from "../../../src/broker/broker.ts";
import { openHubBroker } from "../../../src/broker/hub.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import { Hub } from "../../../src/hub/hub.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { MemoryNetwork } from "../../../src/testing/memory-network.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

export interface VirtualFabric {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  /** @param name - of the client, and of its host in the network; the hub's host is "hub". */
  connect(name: string): Promise<Broker>;
}

export async function openVirtualFabric(): Promise<VirtualFabric> {
  const clock = new VirtualClock();
  const random = new SeededRandom(7);
  const network = new MemoryNetwork({ clock, random, conditions: { latencyMs: 1 } });
  const hub = new Hub({ broker: openMemoryBroker({ clock }), clock, id: "hub" });
  await network.listen("hub", (link) => hub.accept(link));
  return {
    clock,
    network,
    connect: (name) =>
      clock.until(openHubBroker({ connect: network.connect("hub", name), clock, random, name })),
  };
}
