/** The servers that tests run over, and brokers at them. */
import type { ServerName } from "../../../scripts/brokers/servers.ts";
import type { Broker } from "../../../src/broker/broker.ts";
import { openServerBroker } from "../../../src/network/server-broker.ts";
import { systemClock as clock } from "../../../src/runtime/clock.ts";
import { systemRandom as random } from "../../../src/runtime/random.ts";
import { NatsServer } from "./nats.ts";
import { RedisServer } from "./redis.ts";
import type { Server } from "./server.ts";

/** As durable as one can be, and empty. */
export const startServer: Readonly<Record<ServerName, () => Promise<Server>>> = {
  nats: () => NatsServer.start(),
  redis: () => RedisServer.start(),
};

/** @param url - as `join` takes it: see `Server.placeUrl`. */
export function openAt(url: string): Promise<Broker> {
  return openServerBroker(url, {
    context: { clock, random, name: "test" },
    tls: undefined,
    token: undefined,
  });
}
