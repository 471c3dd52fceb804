/** `colloquy/nats`: a broker over NATS with JetStream. Needs the package `@nats-io/transport-node`. */
import type { Broker } from "../broker.ts";
import type { ProbeCheck } from "../probe.ts";
import { NatsBroker } from "./broker.ts";
import { NatsLink } from "./connection.ts";
import { type NatsBrokerOptions, natsSettings } from "./options.ts";
import { openQueues } from "./queues/open.ts";

export type { ProbeCheck } from "../probe.ts";
export type { NatsClient } from "./client.ts";
export type { NatsBrokerOptions, NatsSystemOptions } from "./options.ts";

export interface OpenNatsBroker extends Broker {
  /** What was found of the server when it was connected to last, and what to change where it could be better. */
  readonly checks: readonly ProbeCheck[];
}

/**
 * Connects to a NATS server or cluster. Whatever fails later is mended; whatever fails now is told.
 *
 * @param given - `nats://HOST:PORT`, `tls://HOST`, with `user:pass@` or `token@`, several separated by
 *   commas; or options.
 * @throws INVALID_OPTION; UNSUPPORTED without the client's package, or where JetStream is off;
 *   INVALID_VERSION for a server that is too old; AGENT_UNREACHABLE; UNAUTHORIZED; CANCELLED.
 */
export async function openNatsBroker(given: string | NatsBrokerOptions): Promise<OpenNatsBroker> {
  const link = await NatsLink.open(natsSettings(given));
  return await NatsBroker.open(link, openQueues);
}
