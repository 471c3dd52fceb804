/** The way into a fabric: one line says which broker carries it, the rest of a program stays the same. */
import { hostname } from "node:os";
import type { Broker } from "../broker/broker.ts";
import { openHubBroker } from "../broker/hub.ts";
import { openMemoryBroker } from "../broker/memory.ts";
import { invalidOption } from "../exchange/options.ts";
import { openEmbedded } from "../hub/embedded.ts";
import { shownUrl } from "../link/shown-url.ts";
import { environmentVariable } from "../runtime/environment.ts";
import { storeDirectory } from "./home-directory.ts";
import { hubAddress } from "./hub-url.ts";
import type { JoinOptions } from "./join-options.ts";
import { onlyLimits } from "./limits.ts";
import type { Network } from "./network.ts";
import { type BrokerRequest, givenUrl, openNetwork } from "./open-network.ts";
import { isServerUrl, openServerBroker } from "./server-broker.ts";

export type { JoinOptions };

/**
 * Joins the fabric that `url` names:
 *
 *   embedded:          the nearest .colloquy/ upwards, or a new one here; shared by all processes
 *   embedded:PATH      the store in that directory
 *   memory:            this process only, nothing kept
 *   unix:PATH          a hub on a Unix socket
 *   tcp://HOST:PORT    a hub over TCP; tls:// under TLS 1.3. Default port: 4481
 *   ws://HOST:PORT     a hub over a WebSocket; wss:// under TLS 1.3
 *   nats://HOST:PORT   a NATS server with JetStream, or several of a cluster joined by commas; nats+tls://
 *                      under TLS. Default port: 4222. Needs the package @nats-io/transport-node
 *   redis://HOST:PORT  a Redis server; rediss:// under TLS. Default port: 6379. Needs @redis/client
 *
 * The last two take `?prefix=NAME`, under which everything lies on the server, and more: docs/brokers.md.
 *
 * @throws INVALID_OPTION for a URL it does not know, NOT_FOUND with `create: false`, AGENT_UNREACHABLE,
 *   UNSUPPORTED where the package of a client is not installed, STORE_FAILED, CANCELLED.
 */
export async function join(
  urlOrOptions?: string | JoinOptions,
  more: JoinOptions = {},
): Promise<Network> {
  const { url = environmentVariable("COLLOQUY_URL") ?? "embedded:", options } = givenUrl(
    urlOrOptions,
    more,
  );
  return openNetwork(options, {
    process: { name: options.name ?? defaultName(), host: hostname(), pid: process.pid },
    openBroker: (request) => openBroker(url, request, options),
    report: (line) => process.stderr.write(`${line}\n`),
  });
}

function openBroker(
  url: string,
  { context, limits }: BrokerRequest,
  options: JoinOptions,
): Promise<Broker> {
  const { connection, hub, store, reserveBytes } = limits;
  const [, scheme, rest = ""] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  switch (scheme) {
    case "memory":
      if (rest !== "") throw invalidOption("url", shownUrl(url), '"memory:" and nothing else');
      onlyLimits(limits, ["store"], url);
      return Promise.resolve(
        openMemoryBroker({
          clock: context.clock,
          ...(store === undefined ? {} : { limits: store }),
        }),
      );
    case "embedded":
      return openEmbedded(storeDirectory(rest, process.cwd(), options.create ?? true), {
        ...context,
        ...(connection === undefined ? {} : { limits: connection }),
        ...(hub === undefined ? {} : { hubLimits: hub }),
        ...(store === undefined ? {} : { storeLimits: store }),
        ...(reserveBytes === undefined ? {} : { reserveBytes }),
      });
    default: {
      const address = hubAddress(url, options.tls);
      const credential = options.token ?? environmentVariable("COLLOQUY_TOKEN");
      const shown = credential === undefined ? {} : { credential };
      if (address !== undefined) {
        onlyLimits(limits, ["connection"], shownUrl(url));
        const paced = { ...address.limits, ...connection };
        return openHubBroker({ ...context, ...address, ...shown, limits: paced });
      }
      if (isServerUrl(url)) {
        onlyLimits(limits, [], "a server of others' making");
        const { tls } = options;
        return openServerBroker(url, { context, tls, token: credential });
      }
      const known =
        "embedded:, embedded:PATH, memory:, unix:PATH, tcp://, tls://, ws://, wss://, nats://, nats+tls://, redis:// or rediss://";
      throw invalidOption("url", shownUrl(url), known);
    }
  }
}

function defaultName(): string {
  const program = process.argv[1]?.split(/[\\/]/).pop() ?? "node";
  return `${program} ${process.pid}`;
}
