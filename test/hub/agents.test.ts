/** What stands on a broker, over a hub that is reached over TCP, in real time. */
import type { Broker } from "colloquy";
import { openHubBroker } from "../../src/broker/hub.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import { connectTcp, listenTcp } from "../../src/link/tcp.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { systemRandom as random } from "../../src/runtime/random.ts";
import { agentSuites } from "../support/agent-suites.ts";
import type { Place } from "../support/fabric.ts";

agentSuites(async (): Promise<Place> => {
  const memory = openMemoryBroker();
  const hub = new Hub({ broker: memory, clock, id: "hub" });
  const listener = await listenTcp({ port: 0 }, (link) => hub.accept(link));
  const { hostname: host, port } = new URL(listener.address.replace("tcp", "http"));
  return {
    connect: (): Promise<Broker> =>
      openHubBroker({
        connect: connectTcp({ host, port: Number(port) }),
        clock,
        random,
        name: "client",
      }),
    remove: async () => {
      await listener.close();
      await hub.close();
      await memory.close();
    },
  };
});
