/** The NATS broker for one case: a server of its own, which starts in less time than cleaning up would take. */
import type { Broker } from "../../../src/broker/broker.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { FaultProxy } from "../../../src/testing/fault-proxy.ts";
import type { Feature, Subject } from "../../../src/testing/index.ts";
import { NatsServer } from "../../support/servers/nats.ts";

/** @param needs - of the case: without "durability" it need not wait for a disk. */
export async function openNats(needs: readonly Feature[] = []): Promise<Subject> {
  const settings = needs.includes("durability") ? {} : { syncInterval: "1s" };
  const server = await NatsServer.start(settings);
  const proxies = new Map<Broker, FaultProxy>();
  const connect = async (): Promise<Broker> => {
    // Each client through a proxy of its own, which can cut its connection.
    const proxy = await FaultProxy.open({ target: { port: server.port }, random: systemRandom });
    const broker = await openNatsBroker({
      servers: `nats://127.0.0.1:${proxy.port}`,
      system: { monitor: server.monitorUrl },
      name: "nats",
      // What a process had that was killed comes back after that.
      leaseMs: 3_000,
    });
    proxies.set(broker, proxy);
    return broker;
  };
  const end = async (): Promise<void> => {
    await Promise.all([...proxies.keys()].map((broker) => broker.close()));
    await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    proxies.clear();
  };
  return {
    broker: await connect(),
    connect,
    disconnect: async (client) => proxies.get(client)?.cut("reset"),
    restart: async (how) => {
      if (how === "crash") await server.kill();
      await end();
      await server.stop();
      await server.start();
      return connect();
    },
    close: async () => {
      await end();
      await server.remove();
    },
  };
}
