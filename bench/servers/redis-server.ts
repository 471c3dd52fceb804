/** Redis with every write on disk before its reply. */

import { findServer } from "../../scripts/brokers/find-server.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { freePort } from "../harness/free-port.ts";
import { connectRedis } from "../peers/redis.ts";
import { startServer } from "./server-process.ts";

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** On a free port of the loopback interface, with an empty directory. */
export async function startRedisServer(): Promise<RedisServer> {
  const binary = findServer("redis")?.path;
  if (binary === undefined) throw new Error("no redis-server");
  const directory = temporaryDirectory();
  const port = await freePort();
  const settings = {
    port,
    bind: "127.0.0.1",
    dir: directory.path,
    appendonly: "yes",
    appendfsync: "always",
    save: "",
    // Spares Redis the work of compacting its file during a measurement.
    "auto-aof-rewrite-percentage": 0,
    // What BullMQ asks for.
    "maxmemory-policy": "noeviction",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const url = `redis://127.0.0.1:${port}`;
  const ready = async (): Promise<void> => (await connectRedis(url)).destroy();
  const server = await startServer(binary, args, { ready });
  return {
    port,
    url,
    stop: async () => {
      await server.stop();
      directory.remove();
    },
  };
}
