/** What agents promise, over a real NATS server: the tests of agents and networks as they are. */
import { afterAll, describe } from "vitest";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { agentSuites } from "../../support/agent-suites.ts";
import { missingServer } from "../../support/brokers.ts";
import type { Place } from "../../support/fabric.ts";
import { NatsServer } from "../../support/servers/nats.ts";

describe.skipIf(missingServer("nats"))("over NATS", async () => {
  const server = missingServer("nats") ? undefined : await NatsServer.start();
  afterAll(() => server?.remove());
  let places = 0;
  agentSuites(async (): Promise<Place> => {
    const prefix = `place-${++places}`;
    return {
      connect: () => openNatsBroker({ servers: server?.url ?? "", prefix, leaseMs: 2_000 }),
      // The server goes with the test file.
      remove: async () => {},
    };
  });
});
