/**
 * Brokers that are servers of others' making: what their URLs say, and how what talks to them is loaded,
 * when it is asked for and not before. Their clients are packages that this one does not bring along.
 */
import type { Broker } from "../broker/broker.ts";
import type { NatsBrokerOptions } from "../broker/nats/index.ts";
import type { ProbeCheck } from "../broker/probe.ts";
import type { RedisBrokerOptions } from "../broker/redis/index.ts";
import { invalidOption } from "../errors.ts";
import type { ClientTls, Pem } from "../link/tls-options.ts";
import { nearest } from "../message/nearest.ts";
import type { BrokerContext } from "./open-network.ts";

export interface ServerRequest {
  readonly context: BrokerContext;
  readonly tls: ClientTls | undefined;
  /** What NATS calls a token, and Redis a password. */
  readonly token: string | undefined;
}

export interface ServerBroker extends Broker {
  /** What was found of the server when it was connected to last, and what to change where it could be better. */
  readonly checks: readonly ProbeCheck[];
}

interface ServerUrl {
  /** As it was, less the question mark and what follows. */
  readonly address: string;
  readonly hasCredentials: boolean;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 *   nats://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]    nats+tls:// under TLS
 *   redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]       rediss:// under TLS
 *
 * and after a question mark, joined by ampersands:
 *
 *   prefix=NAME     everything on the server lies under it; default: colloquy
 *   leaseMs=N       how long a process that shows no sign of life keeps what it holds
 *   replicas=N      NATS: copies that a cluster keeps; default: 3 in a cluster
 *   monitor=URL     NATS: a monitoring port that tells how the server writes; several joined by commas
 *
 * @throws INVALID_OPTION, without what might be a password in it, and what opening the broker throws.
 */
export async function openServerBroker(url: string, request: ServerRequest): Promise<ServerBroker> {
  return url.startsWith("nats") ? openNats(url, request) : openRedis(url, request);
}

/** Whether `openServerBroker` is who knows it. */
export function isServerUrl(url: string): boolean {
  return /^(nats|nats\+tls|redis|rediss):/.test(url);
}

async function openNats(url: string, { context, tls, token }: ServerRequest) {
  const { address, hasCredentials, parameters } = parse(url, [
    "prefix",
    "leaseMs",
    "replicas",
    "monitor",
  ]);
  const isSecure = address.startsWith("nats+tls:");
  const { clock, random, signal } = context;
  const options: NatsBrokerOptions = {
    servers: address.replace(/^nats\+tls:/, "tls:"),
    clock,
    random,
    ...(signal === undefined ? {} : { signal }),
    ...common(parameters),
    ...(parameters.has("replicas") ? { replicas: numberOf(parameters, "replicas") as 3 } : {}),
    ...(parameters.has("monitor") ? { system: { monitor: parameters.get("monitor") ?? "" } } : {}),
    ...(token === undefined || hasCredentials ? {} : { token }),
    ...(isSecure && tls !== undefined ? { tls: tlsTexts(tls) } : {}),
  };
  const { openNatsBroker } = await import("../broker/nats/index.ts");
  return openNatsBroker(options);
}

async function openRedis(url: string, { context, tls, token }: ServerRequest) {
  const { address, hasCredentials, parameters } = parse(url, ["prefix", "leaseMs"]);
  const options: RedisBrokerOptions = {
    url: address,
    ...context,
    ...common(parameters),
    ...(token === undefined || hasCredentials ? {} : { password: token }),
    ...(address.startsWith("rediss:") && tls !== undefined ? { tls } : {}),
  };
  const { openRedisBroker } = await import("../broker/redis/index.ts");
  return openRedisBroker(options);
}

function parse(url: string, known: readonly string[]): ServerUrl {
  const mark = url.indexOf("?");
  const address = mark === -1 ? url : url.slice(0, mark);
  const [scheme = ""] = url.split(":");
  if (!/^[a-z+]+:\/\/[^/]/.test(address) || address.includes("#")) {
    throw invalidOption("url", `${scheme}:`, `${scheme}://HOST or ${scheme}://HOST:PORT`);
  }
  const parameters = new Map(mark === -1 ? [] : new URLSearchParams(url.slice(mark + 1)));
  const unknown = [...parameters.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const meant = nearest(unknown, known);
    const hint = meant === undefined ? "" : `: did you mean ${meant}=?`;
    const limit = `one of ${known.join(", ")} after ${scheme}://HOST?${hint}`;
    throw invalidOption("url", `?${unknown}=`, limit);
  }
  return { address, hasCredentials: address.includes("@"), parameters };
}

function common(parameters: ReadonlyMap<string, string>) {
  const prefix = parameters.get("prefix");
  return {
    ...(prefix === undefined ? {} : { prefix }),
    ...(parameters.has("leaseMs") ? { leaseMs: numberOf(parameters, "leaseMs") } : {}),
  };
}

function numberOf(parameters: ReadonlyMap<string, string>, name: string): number {
  const text = parameters.get(name) ?? "";
  if (!/^\d+$/.test(text)) throw invalidOption("url", `${name}=${text}`, `${name}= and a number`);
  return Number(text);
}

/** The client of NATS takes PEM as text alone. */
function tlsTexts({ ca, cert, key, servername }: ClientTls): Readonly<Record<string, string>> {
  const given = Object.entries({ ca, cert, key, servername }).filter(([, it]) => it !== undefined);
  return Object.fromEntries(given.map(([name, pem]) => [name, textOf(pem as Pem)]));
}

function textOf(pem: Pem): string {
  return typeof pem === "string" ? pem : new TextDecoder().decode(pem);
}
