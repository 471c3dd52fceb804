/** The way into a fabric: one line says which broker carries it, the rest of a program stays the same. */
import { hostname } from "node:os";
import type { Broker } from "../broker/broker.ts";
import { openHubBroker } from "../broker/hub.ts";
import { openMemoryBroker } from "../broker/memory.ts";
import { invalidOption } from "../exchange/options.ts";
import { openEmbedded } from "../hub/embedded.ts";
import { storeDirectory } from "./home-directory.ts";
import { hubAddress } from "./hub-url.ts";
import type { JoinOptions } from "./join-options.ts";
import type { Network } from "./network.ts";
import { type BrokerContext, givenUrl, openNetwork } from "./open-network.ts";

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
 *
 * @throws INVALID_OPTION for a URL it does not know, NOT_FOUND with `create: false`, AGENT_UNREACHABLE, STORE_FAILED, CANCELLED.
 */
export async function join(
  urlOrOptions?: string | JoinOptions,
  more: JoinOptions = {},
): Promise<Network> {
  const { url = process.env["COLLOQUY_URL"] ?? "embedded:", options } = givenUrl(
    urlOrOptions,
    more,
  );
  return openNetwork(options, {
    process: { name: options.name ?? defaultName(), host: hostname(), pid: process.pid },
    openBroker: (context) => openBroker(url, context, options),
    report: (line) => process.stderr.write(`${line}\n`),
  });
}

function openBroker(url: string, common: BrokerContext, options: JoinOptions): Promise<Broker> {
  const [, scheme, rest = ""] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  switch (scheme) {
    case "memory":
      if (rest !== "") throw invalidOption("url", url, '"memory:" and nothing else');
      return Promise.resolve(openMemoryBroker({ clock: common.clock }));
    case "embedded":
      return openEmbedded(storeDirectory(rest, process.cwd(), options.create ?? true), common);
    default: {
      const hub = hubAddress(url, options.tls);
      const credential = options.token ?? process.env["COLLOQUY_TOKEN"];
      const shown = credential === undefined ? {} : { credential };
      if (hub !== undefined) return openHubBroker({ ...common, ...hub, ...shown });
      const known = "embedded:, embedded:PATH, memory:, unix:PATH, tcp://, tls://, ws:// or wss://";
      throw invalidOption("url", url, known);
    }
  }
}

function defaultName(): string {
  const program = process.argv[1]?.split(/[\\/]/).pop() ?? "node";
  return `${program} ${process.pid}`;
}
