/** What agents promise, over a real Redis server: the tests of agents and networks as they are. */
import { afterAll } from "vitest";
import { openRedisBroker } from "../../../src/broker/redis/index.ts";
import { agentSuites } from "../../support/agent-suites.ts";
import type { Place } from "../../support/fabric.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const server = await RedisServer.start();
afterAll(() => server.remove());

let places = 0;

agentSuites(async (): Promise<Place> => {
  const prefix = `place-${++places}`;
  return {
    connect: () => openRedisBroker({ url: server.url, prefix, leaseMs: 2_000 }),
    // The server goes with the test file.
    remove: async () => {},
  };
});
