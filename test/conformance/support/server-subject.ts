/**
 * A broker at a real server for one case: at a server that all cases share, below a prefix of its own, or
 * at one of its own that can be started again.
 */
import type { Broker } from "../../../src/broker/broker.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { FaultProxy, type Subject } from "../../../src/testing/index.ts";
import type { Server } from "../../support/servers/server.ts";
import { openAt } from "../../support/servers/servers.ts";

/** As users have it: nothing is to come back because a machine has stood still. */
const leaseMs = 10_000;
/** What a process had that was killed comes back after that, for which a case waits. */
const shortLeaseMs = 2_000;

let subjects = 0;

/** Closing it leaves the server. */
export function serverSubject(server: Server): Promise<Subject> {
  return subjectAt(server, leaseMs);
}

async function subjectAt(server: Server, leaseMs: number): Promise<Subject> {
  const prefix = `case-${++subjects}`;
  const proxies = new Map<Broker, FaultProxy>();
  const connect = async (): Promise<Broker> => {
    // Each client through a proxy of its own, which can cut its connection.
    const proxy = await FaultProxy.open({ target: { port: server.port }, random: systemRandom });
    const client = await openAt(server.placeUrl(prefix, leaseMs, proxy.port));
    proxies.set(client, proxy);
    return client;
  };
  const end = async (): Promise<void> => {
    await Promise.all(
      Array.from(proxies, async ([client, proxy]) => {
        await client.close();
        await proxy.close();
      }),
    );
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
    close: end,
  };
}

/** At a server that ends with the case. */
export async function serverSubjectAlone(start: () => Promise<Server>): Promise<Subject> {
  const server = await start();
  try {
    const subject = await subjectAt(server, shortLeaseMs);
    const close = async () => {
      await subject.close();
      await server.remove();
    };
    return { ...subject, close };
  } catch (error) {
    await server.remove();
    throw error;
  }
}
