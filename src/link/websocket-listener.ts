/**
 * Where WebSockets come in. A browser lets any page open one to any address, loopback included, and
 * says in the Origin header whose page it is (RFC 6455, section 10.2): pages are refused unless their
 * origin is expected. Programs send no Origin; who they are is for `HubOptions.authenticate`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ColloquyError } from "../errors.ts";
import {
  aboveZero,
  type Checks,
  checkedWithin,
  checkOptions,
  listOf,
  text,
} from "../message/checks.ts";
import { asks, checkExposure, handLink, isLoopback } from "./exposure.ts";
import { checkHostPort, hostPortText } from "./host-port.ts";
import type { AcceptLink, LinkHost, Listener } from "./link.ts";
import { listenAt } from "./opening.ts";
import { certificateOf, serverTls } from "./tls.ts";
import type { ServerTls } from "./tls-options.ts";
import { ServedWebSocketLink } from "./websocket-served.ts";
import { upgradeAnswer, upgradeRefusal } from "./websocket-upgrade.ts";

export interface WebSocketIntakeOptions {
  /** Of the URL. Default: "/". */
  readonly path?: string;
  /** Origins of pages that may connect, as "https://desk.example"; "*" for any. Default: none. */
  readonly origins?: readonly string[];
}

export interface ListenWebSocketOptions extends WebSocketIntakeOptions {
  /** Default: "127.0.0.1". */
  readonly host?: string;
  /** 0 for any that is free: the listener's address tells which. */
  readonly port: number;
  /** Speak wss under TLS 1.3, and with `ca` ask clients for certificates. Default: no. */
  readonly tls?: ServerTls;
  /** How long a stranger may take to ask for a WebSocket, and for the TLS handshake. Default: 5,000. */
  readonly patienceMs?: number;
}

const intakeChecks: Checks<WebSocketIntakeOptions> = { path: text, origins: listOf(text) };
const listenChecks: Checks<ListenWebSocketOptions> = {
  ...intakeChecks,
  host: checkedWithin,
  port: checkedWithin,
  tls: checkedWithin,
  patienceMs: aboveZero,
};

/** Bytes of a request's head. */
const headBytesMax = 8_192;

/** Takes over the sockets of requests to upgrade. */
export type TakeUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** As `listenTcp`. @throws INVALID_OPTION, AGENT_UNREACHABLE when it cannot listen there. */
export async function listenWebSocket(
  options: ListenWebSocketOptions,
  take: AcceptLink | LinkHost,
): Promise<Listener> {
  checkOptions(options, listenChecks);
  const { host = "127.0.0.1", port, path = "/", tls } = options;
  checkHostPort({ host, port }, 0);
  checkExposure(host, asks(take) || tls?.ca !== undefined);
  const scheme = tls === undefined ? "ws" : "wss";
  const server = webSocketServer(options, take);
  await listenAt(server, { host, port }, `${scheme}://${hostPortText({ host, port })}`);
  const { port: chosen } = server.address() as AddressInfo;
  return {
    address: `${scheme}://${hostPortText({ host, port: chosen })}${path === "/" ? "" : path}`,
    close: () => {
      server.close();
      server.closeAllConnections();
      return Promise.resolve();
    },
  };
}

/**
 * For a server that also answers other requests: add what is returned to its "upgrade" event.
 * Who comes to another address than one of loopback is refused with 403 where nobody asks who it is.
 *
 * @throws INVALID_OPTION naming an origin that is none.
 */
export function webSocketIntake(
  options: WebSocketIntakeOptions,
  take: AcceptLink | LinkHost,
): TakeUpgrade {
  checkOptions(options, intakeChecks);
  return upgrading(options, take);
}

function upgrading(
  { path = "/", origins = [] }: WebSocketIntakeOptions,
  take: AcceptLink | LinkHost,
): TakeUpgrade {
  const expected = new Set(origins.map(checkedOrigin));
  return (request, duplex, head) => {
    const socket = duplex as Socket;
    socket.on("error", () => socket.destroy());
    const { origin } = request.headers;
    if (request.url?.split("?", 1)[0] !== path) return refuse(socket, "404 Not Found");
    if (origin !== undefined && !expected.has("*") && !expected.has(origin)) {
      return refuse(socket, "403 Forbidden");
    }
    const certificate = certificateOf(request.socket);
    const { localAddress = "", remoteAddress = "", remotePort = 0 } = request.socket;
    if (!asks(take) && certificate === undefined && !isLoopback(localAddress)) {
      return refuse(socket, "403 Forbidden");
    }
    const scheme = "encrypted" in request.socket ? "wss" : "ws";
    const from = `${scheme}://${hostPortText({ host: remoteAddress, port: remotePort })}`;
    const refusal = upgradeRefusal(request);
    if (refusal !== undefined) return refuse(socket, refusal);
    socket.setTimeout(0);
    socket.write(upgradeAnswer(request));
    if (head.length > 0) socket.unshift(head);
    handLink(take, new ServedWebSocketLink(socket, from, certificate));
  };
}

/** Answers nothing but requests for WebSockets, and does not listen yet. @throws INVALID_OPTION. */
export function webSocketServer(
  options: Omit<ListenWebSocketOptions, "host" | "port">,
  take: AcceptLink | LinkHost,
): Server {
  const { tls, patienceMs = 5_000 } = options;
  const bounds = {
    maxHeaderSize: headBytesMax,
    headersTimeout: patienceMs,
    requestTimeout: patienceMs,
    keepAliveTimeout: 1,
    connectionsCheckingInterval: patienceMs / 5,
    noDelay: true,
  };
  const server =
    tls === undefined
      ? createServer(bounds)
      : createSecureServer({ ...serverTls(tls), ...bounds, handshakeTimeout: patienceMs });
  for (const asked of ["request", "checkContinue", "checkExpectation"] as const) {
    server.on(asked, (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(426, { connection: "close", upgrade: "websocket" }).end();
    });
  }
  server.on("clientError", (_error, socket) => socket.destroy());
  server.on("upgrade", upgrading(options, take));
  return server;
}

function refuse(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.once("finish", () => socket.destroy());
}

function checkedOrigin(origin: string): string {
  if (origin === "*" || URL.parse(origin)?.origin === origin) return origin;
  const message = `origins: ${origin} is not an origin such as https://desk.example`;
  throw new ColloquyError("INVALID_OPTION", message, {
    details: { field: "origins", value: origin },
  });
}
