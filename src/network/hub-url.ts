/** How a URL says where a hub is. */
import type { HubBrokerLimits } from "../broker/hub.ts";
import { invalidOption } from "../exchange/options.ts";
import type { Connect } from "../link/link.ts";
import { shownUrl } from "../link/shown-url.ts";
import { connectTcp } from "../link/tcp.ts";
import type { ClientTls } from "../link/tls-options.ts";
import { connectUnix } from "../link/unix.ts";
import { connectWebSocket } from "../link/websocket.ts";
import { remotePace } from "./remote-pace.ts";

/** Of tcp: and tls: URLs that name none. Those of ws: and wss: are 80 and 443, as everywhere. */
export const tcpPortDefault = 4_481;

export interface HubAddress {
  readonly connect: Connect;
  /** Where they differ from those of a hub of this machine. */
  readonly limits?: Partial<HubBrokerLimits>;
}

/**
 *   unix:PATH
 *   tcp://HOST[:PORT]    tls://HOST[:PORT]
 *   ws://HOST[:PORT][/PATH]    wss://HOST[:PORT][/PATH]
 *
 * @returns undefined for what is none of them.
 * @throws INVALID_OPTION naming `url` or a part of `tls`.
 */
export function hubAddress(url: string, tls: ClientTls | undefined): HubAddress | undefined {
  const [, scheme, rest = ""] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  switch (scheme) {
    case "unix":
      if (rest === "") throw invalidOption("url", url, "unix: and the path of a socket");
      return { connect: connectUnix(rest) };
    case "tcp":
    case "tls": {
      const place = tcpPlace(url, scheme);
      const secured = scheme === "tls" ? { tls: tls ?? {} } : {};
      return { connect: connectTcp({ ...place, ...secured }), limits: remotePace };
    }
    case "ws":
    case "wss":
      return {
        connect: connectWebSocket(tls === undefined ? { url } : { url, tls }),
        limits: remotePace,
      };
    default:
      return undefined;
  }
}

function tcpPlace(url: string, scheme: string): { readonly host: string; readonly port: number } {
  // Parsed as http, whose rules for hosts and ports are the ones that people know.
  const parsed = URL.parse(url.replace(scheme, "http"));
  const bare = parsed !== null && /^\/?$/.test(parsed.pathname) && parsed.search === "";
  if (!bare || parsed.hash !== "" || parsed.username !== "" || !url.startsWith(`${scheme}://`)) {
    throw invalidOption("url", shownUrl(url), `${scheme}://HOST or ${scheme}://HOST:PORT`);
  }
  const explicit = /:(\d+)\/?$/.exec(url)?.[1];
  const port = explicit === undefined ? tcpPortDefault : Number(explicit);
  return { host: parsed.hostname.replace(/^\[|\]$/g, ""), port };
}
