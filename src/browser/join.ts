/** The way into a fabric from a page. */
import type { Broker } from "../broker/broker.ts";
import { openHubBroker } from "../broker/hub.ts";
import { invalidOption } from "../exchange/options.ts";
import { connectBrowserWebSocket } from "../link/browser-websocket.ts";
import { shownUrl } from "../link/shown-url.ts";
import type { JoinOptions } from "../network/join-options.ts";
import { onlyLimits } from "../network/limits.ts";
import type { Network } from "../network/network.ts";
import { type BrokerRequest, givenUrl, openNetwork } from "../network/open-network.ts";
import { remotePace } from "../network/remote-pace.ts";

/** As in Node, without what only Node has. `name` is "page" where none is given. */
export type BrowserJoinOptions = Omit<JoinOptions, "create" | "drainOnSignals" | "tls">;

/**
 * Joins the fabric that `url` names:
 *
 *   ws://HOST:PORT/PATH, wss://...   a hub that takes WebSockets and allows this page's origin
 *   /PATH, https://..., nothing      the same, relative to the address of the page: wss where that is https
 *   memory:                          this page only, nothing kept
 *
 * @throws INVALID_OPTION for a URL it does not know, AGENT_UNREACHABLE, CANCELLED.
 */
export async function join(
  urlOrOptions?: string | BrowserJoinOptions,
  more: BrowserJoinOptions = {},
): Promise<Network> {
  const { url = "/", options } = givenUrl(urlOrOptions, more);
  return openNetwork(options, {
    process: { name: options.name ?? "page", host: page()?.host ?? "page", pid: 0 },
    openBroker: (request) => openBroker(url, request, options.token),
    report: (line) => console.error(line),
  });
}

async function openBroker(
  url: string,
  { context, limits }: BrokerRequest,
  token: string | undefined,
): Promise<Broker> {
  if (url === "memory:") {
    onlyLimits(limits, ["store"], url);
    // More than a page needs that talks to a hub: bundlers make it a file of its own.
    const { openMemoryBroker } = await import("../broker/memory.ts");
    const { store } = limits;
    return openMemoryBroker({
      clock: context.clock,
      ...(store === undefined ? {} : { limits: store }),
    });
  }
  onlyLimits(limits, ["connection"], shownUrl(url));
  const connect = connectBrowserWebSocket(socketUrl(url), context.clock);
  const shown = token === undefined ? {} : { credential: token };
  return openHubBroker({
    ...context,
    connect,
    limits: { ...remotePace, ...limits.connection },
    ...shown,
  });
}

function socketUrl(url: string): string {
  const base = page()?.href;
  if (URL.canParse(url, base)) {
    const absolute = new URL(url, base);
    absolute.protocol = socketSchemes[absolute.protocol] ?? absolute.protocol;
    // A WebSocket takes none, and a user would not expect that of a link to a place in a page.
    absolute.hash = "";
    if (absolute.protocol === "ws:" || absolute.protocol === "wss:") return absolute.href;
  }
  throw invalidOption(
    "url",
    shownUrl(url),
    "ws:, wss:, a path on the page's own server, or memory:",
  );
}

const socketSchemes: Readonly<Record<string, string>> = { "http:": "ws:", "https:": "wss:" };

interface Page {
  readonly href: string;
  readonly host: string;
}

/** The address of the page or worker. */
function page(): Page | undefined {
  return (globalThis as { readonly location?: Page }).location;
}
