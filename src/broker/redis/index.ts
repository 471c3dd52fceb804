/** `colloquy/redis`: a broker over Redis Streams, pub/sub and scripts. Needs the package `@redis/client`. */
import type { Broker } from "../broker.ts";
import type { ProbeCheck } from "../probe.ts";
import { RedisBroker } from "./broker.ts";
import type { RedisBrokerOptions } from "./options.ts";
import { redisQueues } from "./queues/index.ts";

export type { ProbeCheck } from "../probe.ts";
export type { RedisClient } from "./client.ts";
export type { RedisBrokerLimits, RedisBrokerOptions } from "./options.ts";

export interface OpenRedisBroker extends Broker {
  /** What was found of the server when it was connected to last, and what to change where it could be better. */
  readonly checks: readonly ProbeCheck[];
}

/**
 * Connects to one Redis server, or to what speaks as it does. Whatever fails later is mended; whatever
 * fails now is told.
 *
 * @param given - `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://...`; or options.
 * @throws INVALID_OPTION; UNSUPPORTED without the client's package; AGENT_UNREACHABLE; UNAUTHORIZED; CANCELLED.
 */
export async function openRedisBroker(
  given: string | RedisBrokerOptions,
): Promise<OpenRedisBroker> {
  return await RedisBroker.open(given, redisQueues);
}
