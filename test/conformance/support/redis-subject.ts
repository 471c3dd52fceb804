/** A Redis broker for one case: over a server that all cases share, or over one of its own that can be started again. */
import type { Broker } from "../../../src/broker/broker.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { FaultProxy, type Subject } from "../../../src/testing/index.ts";
import { RedisServer } from "../../support/servers/redis.ts";

/** Opens one client. */
export type OpenRedis = (url: string, prefix: string) => Promise<Broker>;

let subjects = 0;

/** With an empty prefix of its own; closing it leaves the server. */
export async function redisSubject(server: RedisServer, openRedis: OpenRedis): Promise<Subject> {
  const prefix = `case-${++subjects}`;
  const proxies = new Map<Broker, FaultProxy>();
  const connect = async (): Promise<Broker> => {
    const target = { port: server.port };
    const proxy = await FaultProxy.open({ target, random: systemRandom });
    const client = await openRedis(`redis://127.0.0.1:${proxy.port}`, prefix);
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
    disconnect: async (client) => proxies.get(client)?.cut(),
    restart: async (how) => {
      if (how === "clean") {
        await end();
        await server.stop();
      } else {
        await server.kill();
      }
      await server.start();
      if (how === "crash") await end();
      return connect();
    },
    close: end,
  };
}

/** Over a server that ends with the case. */
export async function redisSubjectAlone(openRedis: OpenRedis): Promise<Subject> {
  const server = await RedisServer.start();
  try {
    const subject = await redisSubject(server, openRedis);
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
