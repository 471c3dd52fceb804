/**
 * Links over TCP, in the clear or under TLS 1.3. Frames are coalesced before they get here, so nothing
 * is held back for more to come (RFC 896); keepalive ends what vanished without a word, though the
 * sessions above notice silence sooner.
 */
import {
  type AddressInfo,
  createConnection,
  createServer,
  type Server,
  type Socket,
} from "node:net";
import {
  connect as connectSecurely,
  createServer as createSecureServer,
  type TLSSocket,
} from "node:tls";
import { type Checks, checkedWithin, checkOptions } from "../message/checks.ts";
import type { Clock } from "../runtime/clock.ts";
import { asks, checkExposure, handLink } from "./exposure.ts";
import { checkHostPort, type HostPort, hostPortText } from "./host-port.ts";
import type { AcceptLink, Connect, LinkHost, Listener } from "./link.ts";
import { listenAt, openLink } from "./opening.ts";
import { SocketLink } from "./socket.ts";
import { certificateOf, clientTls, serverTls } from "./tls.ts";
import type { ClientTls, ServerTls } from "./tls-options.ts";

export interface TcpAddress extends HostPort {
  /** Speak TLS. Default: no. */
  readonly tls?: ClientTls;
}

const addressChecks: Checks<TcpAddress> = {
  host: checkedWithin,
  port: checkedWithin,
  tls: checkedWithin,
};

/** Milliseconds without traffic until the system asks whether the other side is still there. */
const keepAliveMs = 15_000;

/** How long a stranger may take for the TLS handshake. */
const handshakeTimeoutMs = 10_000;

/**
 * @param clock - ends an attempt that is not answered for 10 seconds. Default: the real one.
 * @throws INVALID_OPTION naming `host`, `port` or a part of `tls`. Connecting rejects with
 *   AGENT_UNREACHABLE, also where the certificate of the other side is not trusted.
 */
export function connectTcp(to: TcpAddress, clock?: Clock): Connect {
  checkOptions(to, addressChecks);
  const { host, port, tls } = to;
  checkHostPort({ host, port }, 1);
  const address = hostPortText({ host, port });
  if (tls === undefined) {
    const options = {
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    };
    const link = { peer: `tcp://${address}`, local: false };
    return (signal) => openLink(() => createConnection(options), "connect", link, signal, clock);
  }
  const options = { host, port, ...clientTls(tls, host) };
  const link = { peer: `tls://${address}`, local: false };
  const open = (): Socket => prepared(connectSecurely(options));
  return (signal) => openLink(open, "secureConnect", link, signal, clock);
}

export interface ListenTcpOptions {
  /** Default: "127.0.0.1". */
  readonly host?: string;
  /** 0 for any that is free: the listener's address tells which. */
  readonly port: number;
  /** Speak TLS 1.3, and with `ca` ask clients for certificates. Default: no. */
  readonly tls?: ServerTls;
}

/**
 * @param take - takes the links, such as a `Hub`. One that does not authenticate, or a function, gets
 *   them from this machine only, unless `tls.ca` asks clients for certificates.
 * @throws INVALID_OPTION, also for a host that others reach and nobody would be asked who they are;
 *   AGENT_UNREACHABLE when it cannot listen there.
 */
export async function listenTcp(
  options: ListenTcpOptions,
  take: AcceptLink | LinkHost,
): Promise<Listener> {
  checkOptions<ListenTcpOptions>(options, addressChecks);
  const { host = "127.0.0.1", port, tls } = options;
  checkHostPort({ host, port }, 0);
  checkExposure(host, asks(take) || tls?.ca !== undefined);
  const scheme = tls === undefined ? "tcp" : "tls";
  const accept = (socket: Socket): void => {
    const { remoteAddress = "", remotePort = 0 } = socket;
    const from = hostPortText({ host: remoteAddress, port: remotePort });
    const options = { peer: `${scheme}://${from}`, local: false };
    handLink(take, new SocketLink(socket, { ...options, certificate: certificateOf(socket) }));
  };
  const server = tls === undefined ? clearServer(accept) : secureServer(tls, accept);
  await listenAt(server, { host, port }, `${scheme}://${hostPortText({ host, port })}`);
  const { port: chosen } = server.address() as AddressInfo;
  return {
    address: `${scheme}://${hostPortText({ host, port: chosen })}`,
    // Open connections must not hold it back.
    close: () => {
      server.close();
      return Promise.resolve();
    },
  };
}

function clearServer(take: (socket: Socket) => void): Server {
  const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs };
  return createServer(options, take);
}

function secureServer(tls: ServerTls, take: (socket: Socket) => void): Server {
  const server = createSecureServer({ ...serverTls(tls), handshakeTimeout: handshakeTimeoutMs });
  server.on("connection", prepared);
  server.on("secureConnection", take);
  // The handshake failed: whoever tried has been told.
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => void socket.destroy());
  return server;
}

function prepared(socket: Socket): Socket {
  return socket.setNoDelay(true).setKeepAlive(true, keepAliveMs);
}
