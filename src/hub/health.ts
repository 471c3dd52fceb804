/**
 * Health and readiness over HTTP, for supervisors and load balancers:
 *
 *   GET /healthz   200 while the hub runs, also while it drains
 *   GET /readyz    200 while it takes clients, 503 once it drains
 *
 * It knows GET and HEAD, takes no bodies, and gives nobody long to ask.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { DurabilityClaim } from "../broker/broker.ts";
import { checkHostPort, type HostPort, hostPortText } from "../link/host-port.ts";
import type { Listener } from "../link/link.ts";
import { listenAt } from "../link/opening.ts";
import { serverTls } from "../link/tls.ts";
import type { ServerTls } from "../link/tls-options.ts";
import type { TakeUpgrade } from "../link/websocket-listener.ts";

/** What is told of a hub. */
export interface Health {
  readonly status: "ready" | "draining";
  readonly version: string;
  readonly hub: string;
  readonly process: number;
  readonly uptimeMs: number;
  /** Clients, those included whose link broke a moment ago. */
  readonly connections: number;
  readonly durability: DurabilityClaim;
}

export type HealthSource = () => Health;

/** Bytes of a request's head. */
const headBytesMax = 4_096;
const headersMax = 32;
/** Until a request must be complete, and for how long a connection may be idle. */
const patienceMs = 5_000;
/** Between two looks at who is too slow. */
const checkMs = 1_000;
const connectionsMax = 128;

export interface ListenHealthOptions extends HostPort {
  /** Speak HTTPS under TLS 1.3. Default: no. */
  readonly tls?: ServerTls;
  /** Takes requests to upgrade, whose connections are not counted here. Default: they are refused. */
  readonly upgrade?: { readonly take: TakeUpgrade; readonly connectionsMax: number };
}

/** @throws INVALID_OPTION, AGENT_UNREACHABLE when it cannot listen there. @returns its base URL as address. */
export async function listenHealth(
  { host, port, tls, upgrade }: ListenHealthOptions,
  health: HealthSource,
): Promise<Listener> {
  checkHostPort({ host, port }, 0);
  const bounds = {
    maxHeaderSize: headBytesMax,
    headersTimeout: patienceMs,
    requestTimeout: patienceMs,
    keepAliveTimeout: patienceMs,
    connectionsCheckingInterval: checkMs,
    noDelay: true,
  };
  const server =
    tls === undefined
      ? createServer(bounds)
      : createSecureServer({ ...serverTls(tls), ...bounds, handshakeTimeout: patienceMs });
  server.on("request", (request, response) => answer(request, response, health()));
  server.on("clientError", (_error, socket) => socket.destroy());
  if (upgrade !== undefined) server.on("upgrade", upgrade.take);
  server.maxHeadersCount = headersMax;
  server.maxConnections = connectionsMax + (upgrade?.connectionsMax ?? 0);
  const scheme = tls === undefined ? "http" : "https";
  await listenAt(server, { host, port }, `${scheme}://${hostPortText({ host, port })}`);
  const { port: chosen } = server.address() as AddressInfo;
  return {
    address: `${scheme}://${hostPortText({ host, port: chosen })}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, health: Health): void {
  const { method, url = "", headers } = request;
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return write(response, 405, { error: "GET and HEAD only" });
  }
  if (Number(headers["content-length"] ?? 0) > 0 || headers["transfer-encoding"] !== undefined) {
    return write(response, 413, { error: "no request has a body here" });
  }
  const [path] = url.split("?", 1);
  switch (path) {
    case "/healthz":
      return write(response, 200, health);
    case "/readyz":
      return write(response, health.status === "ready" ? 200 : 503, health);
    default:
      return write(response, 404, { error: "/healthz or /readyz" });
  }
}

function write(response: ServerResponse, status: number, content: object): void {
  const body = `${JSON.stringify(content)}\n`;
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    // What is left of a refused request is not waited for.
    ...(status === 405 || status === 413 ? { connection: "close" } : {}),
  });
  response.end(body);
}
