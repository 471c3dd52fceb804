/** What a NATS broker is opened with. */
import { invalidOption } from "../../errors.ts";
import {
  abortSignal,
  aClock,
  aFunction,
  anObject,
  aRandom,
  type Check,
  type Checks,
  checkOptions,
  number,
  options as optionsOf,
  text,
  withMethods,
} from "../../message/checks.ts";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { type Random, systemRandom } from "../../runtime/random.ts";
import type { ConnectOptions, NatsClient } from "./client.ts";
import { prefixPattern } from "./names.ts";

export interface NatsBrokerOptions {
  /** `nats://` or `tls://` URLs, or `HOST:PORT`, of any servers of one cluster. Default: nats://127.0.0.1:4222. */
  readonly servers?: string | readonly string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** The text of a credentials file (a JWT and its seed). */
  readonly creds?: string;
  /** The seed of an NKey, `SU...`. */
  readonly nkeySeed?: string;
  /** An authenticator of the client's, for whatever else the server asks. */
  readonly authenticator?: (nonce?: string) => unknown;
  /** TLS, with the client's own options (`ca`, `caFile`, `cert`, `certFile`, `key`, `keyFile`); `{}` demands it. */
  readonly tls?: Readonly<Record<string, string | boolean>>;
  /**
   * A connection that is there already, in place of all above. It is not closed with the broker, and
   * must connect again by itself for ever (`maxReconnectAttempts: -1`).
   */
  readonly client?: NatsClient;
  /** For people. Default: the first server. */
  readonly name?: string;
  /** Below which everything lies on the server; one fabric has one. 1 to 64 letters, digits, _ or -. Default: "colloquy". */
  readonly prefix?: string;
  /** Copies that a cluster keeps, 1, 3 or 5. Default: 3 where the server belongs to a cluster, else 1. */
  readonly replicas?: 1 | 3 | 5;
  /**
   * How long the server recognises the repetition of a message by its id, milliseconds. It keeps an
   * index of so many ids in memory. Default: 600,000.
   */
  readonly duplicateWindowMs?: number;
  /** How long a delivery is held for a process that shows no sign of life, milliseconds. Default: 30,000. */
  readonly leaseMs?: number;
  /** How long an answer of the server may take, milliseconds. Default: 10,000. */
  readonly requestTimeoutMs?: number;
  /**
   * How long a server may take to greet, milliseconds. A connection that breaks just then is noticed by
   * the client only after this time. Default: 5,000.
   */
  readonly connectTimeoutMs?: number;
  /** The wait before connecting again is drawn from 0 up to this, which doubles. Default: 50. */
  readonly backoffMinMs?: number;
  /** Where the doubling stops. Default: 2,000. */
  readonly backoffMaxMs?: number;
  /** How the server writes to disk is told by its system account or its monitoring port: see docs/brokers.md. */
  readonly system?: NatsSystemOptions;
  /** Subject below which answers come, where permissions demand it. Default: "_INBOX". */
  readonly inboxPrefix?: string;
  /** Default: the real one. */
  readonly clock?: Clock;
  /** Default: the operating system's. */
  readonly random?: Random;
  /** Gives up connecting for the first time. */
  readonly signal?: AbortSignal;
}

/** Where the settings of the server can be read, which its accounts for applications do not show. */
export interface NatsSystemOptions {
  /** `http://HOST:PORT` of the monitoring port of every server of the cluster. */
  readonly monitor?: string | readonly string[];
  /** Credentials of a user of the system account. */
  readonly user?: string;
  readonly pass?: string;
  readonly creds?: string;
}

/** Everything decided. */
export interface NatsSettings {
  readonly connect: ConnectOptions;
  readonly client: NatsClient | undefined;
  readonly name: string;
  readonly prefix: string;
  readonly replicas: 1 | 3 | 5 | undefined;
  readonly duplicateWindowMs: number;
  readonly leaseMs: number;
  readonly requestTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly system: NatsSystemOptions | undefined;
  readonly inboxPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal | undefined;
}

const defaultServer = "nats://127.0.0.1:4222";
const defaultPort = 4222;

/**
 * @param given - options, or a URL: `nats://user:pass@host:4222`, `nats://token@host`, `tls://host`,
 *   several separated by commas.
 * @throws INVALID_OPTION naming the field.
 */
export function natsSettings(given: string | NatsBrokerOptions): NatsSettings {
  const options: NatsBrokerOptions = typeof given === "string" ? { servers: given } : given;
  checkOptions(options, optionChecks);
  const { connect, name } = connectOptions(options);
  const { prefix = "colloquy", replicas, inboxPrefix = "_INBOX" } = options;
  return {
    connect,
    client: options.client,
    name: options.name ?? name,
    prefix,
    replicas,
    duplicateWindowMs: options.duplicateWindowMs ?? 600_000,
    leaseMs: options.leaseMs ?? 30_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    backoffMinMs: options.backoffMinMs ?? 50,
    backoffMaxMs: options.backoffMaxMs ?? 2_000,
    system: options.system,
    inboxPrefix,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    signal: options.signal,
  };
}

/** What must not be seen is never shown. */
const aSecret: Check = (field, value) => {
  if (typeof value !== "string") throw invalidOption(field, typeof value, "a text");
};

const systemChecks: Checks<NatsSystemOptions> = {
  monitor: textOrTexts,
  user: aSecret,
  pass: aSecret,
  creds: aSecret,
};

const optionChecks: Checks<NatsBrokerOptions> = {
  servers: textOrTexts,
  user: aSecret,
  pass: aSecret,
  token: aSecret,
  creds: aSecret,
  nkeySeed: aSecret,
  authenticator: aFunction,
  tls: anObject,
  client: withMethods("a connection of @nats-io/transport-node", "publish", "subscribe"),
  name: text,
  prefix: (field, value) => {
    if (typeof value === "string" && prefixPattern.test(value)) return;
    throw invalidOption(field, value, "1 to 64 ASCII letters, digits, _ or -");
  },
  replicas: (field, value) => {
    if (![1, 3, 5].includes(value as number)) throw invalidOption(field, value, "1, 3 or 5");
  },
  duplicateWindowMs: number(100),
  leaseMs: number(100),
  requestTimeoutMs: number(1),
  connectTimeoutMs: number(1),
  backoffMinMs: number(1),
  backoffMaxMs: number(1),
  system: optionsOf(systemChecks),
  inboxPrefix: (field, value) => {
    const fits = /^[A-Za-z0-9_$-]+(\.[A-Za-z0-9_$-]+)*$/;
    if (typeof value !== "string" || !fits.test(value))
      throw invalidOption(field, value, "a subject");
  },
  clock: aClock,
  random: aRandom,
  signal: abortSignal,
};

function textOrTexts(field: string, value: unknown): void {
  const texts = Array.isArray(value) ? value : [value];
  if (texts.every((each) => typeof each === "string")) return;
  throw invalidOption(field, typeof value, "a text, or several");
}

function connectOptions(options: NatsBrokerOptions) {
  const { servers = defaultServer, user, pass, token, creds, nkeySeed, authenticator } = options;
  const list = (typeof servers === "string" ? servers.split(",") : servers).map(serverOf);
  const [first] = list;
  if (first === undefined) throw invalidOption("servers", servers, "at least one server");
  const [credentials = {}, ...others] = list.flatMap((each) => each.credentials ?? []);
  if (others.some((each) => JSON.stringify(each) !== JSON.stringify(credentials))) {
    throw invalidOption("servers", "several users", "one user, or token, for all");
  }
  const secure = list.some(({ tls }) => tls);
  const tls = options.tls ?? (secure ? {} : undefined);
  const connect = {
    servers: list.map(({ address }) => address),
    timeoutMs: options.connectTimeoutMs ?? 5_000,
    ...credentials,
    ...defined({ user, pass, token, creds, nkeySeed, authenticator, tls }),
  } as ConnectOptions;
  const name = options.client === undefined ? `nats://${first.address}` : "nats";
  return { connect, name };
}

interface Credentials {
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
}

interface Server {
  readonly address: string;
  readonly tls: boolean;
  readonly credentials: Credentials | undefined;
}

/** Never prints what was given: there may be a password in it. */
function serverOf(server: string): Server {
  const text = String(server).trim();
  const url = parse(text.includes("://") ? text : `nats://${text}`);
  const limit = "nats://HOST:PORT or tls://HOST:PORT";
  if (url === undefined) throw invalidOption("servers", "a URL", limit);
  const shown = `${url.protocol}//${url.hostname}`;
  if (url.protocol !== "nats:" && url.protocol !== "tls:") {
    throw invalidOption("servers", shown, limit);
  }
  if (url.hostname === "" || !["", "/"].includes(url.pathname)) {
    throw invalidOption("servers", shown, limit);
  }
  const user = decodeURIComponent(url.username);
  const pass = decodeURIComponent(url.password);
  if (user === "" && pass !== "") throw invalidOption("servers", shown, "a user with its password");
  return {
    address: `${url.hostname}:${url.port === "" ? defaultPort : url.port}`,
    tls: url.protocol === "tls:",
    credentials: user === "" ? undefined : pass === "" ? { token: user } : { user, pass },
  };
}

function parse(text: string): URL | undefined {
  try {
    const url = new URL(text);
    decodeURIComponent(url.username + url.password);
    return url;
  } catch {
    return undefined;
  }
}

function defined<Fields extends object>(fields: Fields): Partial<Fields> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<Fields>;
}
