/** What a hub listens at beside the socket of its directory, opened in the thread in which it runs. */
import { lstatSync } from "node:fs";
import { ColloquyError, isColloquyError } from "../../errors.ts";
import { checkExposure } from "../../link/exposure.ts";
import type { HostPort } from "../../link/host-port.ts";
import type { Listener } from "../../link/link.ts";
import { listenTcp } from "../../link/tcp.ts";
import { serverTls } from "../../link/tls.ts";
import type { ServerTls } from "../../link/tls-options.ts";
import { connectUnix, listenUnix } from "../../link/unix.ts";
import { type WebSocketIntakeOptions, webSocketIntake } from "../../link/websocket-listener.ts";
import { localIdentity, sharedToken } from "../authentication.ts";
import { type HealthSource, listenHealth } from "../health.ts";
import type { Hub } from "../hub.ts";

export interface ListenOptions {
  /** Path of a Unix socket. */
  readonly unix?: string;
  readonly tcp?: HostPort;
  /** Health and readiness. */
  readonly http?: HostPort;
  /** Takes WebSockets at the port of `http`. */
  readonly webSocket?: WebSocketIntakeOptions;
  /** For all but the Unix socket. With `ca` and no token a client is who its certificate names. */
  readonly tls?: ServerTls;
  /** Whoever comes by another way than the Unix socket has to know it; see `sharedToken`. */
  readonly token?: string;
}

/** Something that a hub listens at. */
export interface Endpoint {
  readonly kind: "unix" | "tcp" | "tls" | "ws" | "wss" | "http" | "https";
  /** What `join` takes; or the base URL of health and readiness. */
  readonly url: string;
}

/** Whether others than processes of this machine may come. */
export function isRemote({ tcp, webSocket }: ListenOptions): boolean {
  return tcp !== undefined || webSocket !== undefined;
}

export interface Listening {
  readonly endpoints: readonly Endpoint[];
  /** Takes no more clients; health is still told. */
  closeToClients(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What can be known to be wrong before anything is opened.
 *
 * @throws INVALID_OPTION for a place that others reach unasked, a token that can be guessed, certificates
 *   that cannot be used.
 */
export function checkListen({ tcp, http, tls, token }: ListenOptions): void {
  if (token !== undefined) sharedToken(token);
  if (tls !== undefined) serverTls(tls);
  const authenticated = token !== undefined || tls?.ca !== undefined;
  for (const place of [tcp, http]) {
    if (place !== undefined) checkExposure(place.host, authenticated);
  }
}

/**
 * All of them, or none.
 *
 * @throws AGENT_UNREACHABLE naming what cannot be listened at; INVALID_OPTION.
 */
export async function listen(
  options: ListenOptions,
  hub: Hub,
  health: HealthSource,
): Promise<Listening> {
  const { tls } = options;
  const secured = tls === undefined ? {} : { tls };
  const clients: Listener[] = [];
  const endpoints: Endpoint[] = [];
  const closeToClients = async (): Promise<void> => {
    await Promise.all(clients.splice(0).map((listener) => listener.close()));
  };
  try {
    if (options.unix !== undefined) {
      await requireFree(options.unix);
      // Who may open the file has been asked already.
      const listener = await listenUnix(options.unix, (link) => hub.accept(link, localIdentity));
      clients.push(listener);
      endpoints.push({ kind: "unix", url: `unix:${listener.address}` });
    }
    if (options.tcp !== undefined) {
      const listener = await listenTcp({ ...options.tcp, ...secured }, hub);
      clients.push(listener);
      endpoints.push(endpointAt(listener.address));
    }
    const http = await listenHttp(options, hub, health);
    if (http !== undefined) endpoints.push(endpointAt(http.address));
    if (http !== undefined && options.webSocket !== undefined) {
      const { path = "/" } = options.webSocket;
      const address = http.address.replace("http", "ws");
      endpoints.push(endpointAt(path === "/" ? address : `${address}${path}`));
    }
    return {
      endpoints,
      closeToClients,
      close: async () => {
        await closeToClients();
        await http?.close();
      },
    };
  } catch (error) {
    await closeToClients();
    throw error;
  }
}

/** Health, and WebSockets where they are wanted. */
async function listenHttp(
  { http, webSocket, tls }: ListenOptions,
  hub: Hub,
  health: HealthSource,
): Promise<Listener | undefined> {
  if (http === undefined) return undefined;
  const secured = tls === undefined ? {} : { tls };
  if (webSocket === undefined) return listenHealth({ ...http, ...secured }, health);
  const take = webSocketIntake(webSocket, hub);
  const { sessionsMax, strangersMax } = hub.limits;
  const upgrade = { take, connectionsMax: sessionsMax + strangersMax };
  return listenHealth({ ...http, ...secured, upgrade }, health);
}

function endpointAt(url: string): Endpoint {
  return { kind: url.slice(0, url.indexOf(":")) as Endpoint["kind"], url };
}

/** A socket that was left behind is replaced; one that answers, or any other file, is not. */
async function requireFree(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw taken(path, "it is no socket");
  try {
    const link = await connectUnix(path)(new AbortController().signal);
    link.destroy();
  } catch (error) {
    if (isColloquyError(error, "AGENT_UNREACHABLE")) return;
    throw error;
  }
  throw taken(path, "somebody listens there");
}

function taken(path: string, why: string): ColloquyError<"AGENT_UNREACHABLE"> {
  return new ColloquyError("AGENT_UNREACHABLE", `cannot listen at unix:${path}: ${why}`, {
    details: { path },
  });
}
