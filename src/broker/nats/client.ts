/** The part of a NATS client that this broker uses, and how it gets one. */
import { ColloquyError } from "../../errors.ts";
import { throwIfAborted } from "../../runtime/abort.ts";
import { connectError, isUntold } from "./errors.ts";
import { withoutForgotten } from "./forgotten-sockets.ts";
import { greetingOf } from "./greeting.ts";
import { identityCheck } from "./server-identity.ts";

/** A connection of `@nats-io/transport-node` (3.4 or newer) is one. */
export interface NatsClient {
  readonly info?: NatsServerInfo | undefined;
  publish(subject: string, payload: Uint8Array, options?: NatsPublishOptions): void;
  subscribe(subject: string, options: NatsSubscribeOptions): NatsSubscription;
  flush(): Promise<void>;
  status(): AsyncIterable<NatsStatus>;
  /** Resolves with why it was closed, when that was an error. */
  closed(): Promise<unknown>;
  close(): Promise<void>;
  isClosed(): boolean;
  /** Gives the present connection up for another. */
  reconnect?(): Promise<void>;
}

export interface NatsServerInfo {
  readonly server_id: string;
  readonly server_name: string;
  readonly version: string;
  readonly max_payload: number;
  readonly headers?: boolean;
  readonly jetstream?: boolean;
  readonly api_lvl?: number;
  readonly cluster?: string;
}

export interface NatsPublishOptions {
  reply?: string;
  // Whatever the client's own `headers()` makes.
  headers?: never;
}

export interface NatsSubscribeOptions {
  // A method, so that the client's own type of message fits.
  callback(error: Error | null, message: NatsMessage): void;
}

/**
 * Of every subscription. A server has other clients, who may write what this one cannot read: that is
 * nothing to it. What is thrown in a callback would end the client's connection instead.
 */
export function hearing(callback: NatsSubscribeOptions["callback"]): NatsSubscribeOptions {
  return {
    callback: (error, message) => {
      try {
        callback(error, message);
      } catch {
        // It has changed nothing: what is decoded is decoded first.
      }
    },
  };
}

export interface NatsMessage {
  readonly subject: string;
  readonly reply?: string;
  readonly data: Uint8Array;
  readonly headers?: NatsHeaders;
}

export interface NatsHeaders {
  /** Of a message from the server itself: 404, 503 and so on; else 0. */
  readonly code: number;
  readonly description: string;
  get(name: string): string;
}

export interface NatsSubscription {
  unsubscribe(): void;
}

export interface NatsStatus {
  readonly type: string;
  /** With `operation` and `subject` where a permission was missing. */
  readonly error?: Error & { readonly operation?: string; readonly subject?: string };
}

/** Whether the server sends back what a connection publishes. */
export async function hearsItself(client: NatsClient, subject: string): Promise<boolean> {
  let heard = false;
  const callback = () => {
    heard = true;
  };
  const subscription = client.subscribe(subject, { callback });
  client.publish(subject, new Uint8Array());
  await client.flush();
  subscription.unsubscribe();
  return heard;
}

/** Pairs of a message's headers. */
export type HeaderPairs = Readonly<Record<string, string>>;

/** Makes what the client publishes as headers. */
export type MakeHeaders = (pairs: HeaderPairs) => never;

/**
 * @throws UNSUPPORTED where `@nats-io/transport-node` is not installed.
 */
async function importClient(): Promise<typeof import("@nats-io/transport-node")> {
  try {
    return await import("@nats-io/transport-node");
  } catch (cause) {
    const message =
      "nats: needs the package @nats-io/transport-node; run: npm install @nats-io/transport-node";
    throw new ColloquyError("UNSUPPORTED", message, {
      cause,
      details: { field: "nats", package: "@nats-io/transport-node" },
    });
  }
}

export async function headerMaker(): Promise<MakeHeaders> {
  const { headers } = await importClient();
  return (pairs) => {
    const made = headers();
    for (const name in pairs) made.set(name, pairs[name] as string);
    return made as never;
  };
}

/** How to reach the servers. */
export interface ConnectOptions {
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly creds?: string;
  readonly nkeySeed?: string;
  readonly authenticator?: (nonce?: string) => unknown;
  readonly tls?: Readonly<Record<string, string | boolean>>;
}

export interface ClientSettings {
  readonly connect: ConnectOptions;
  /** As the server shows it. */
  readonly name: string;
  /** Milliseconds before the next attempt; asked more than once for each. */
  readonly delayMs: () => number;
  /** Gives up connecting for the first time. */
  readonly signal?: AbortSignal | undefined;
}

const pingMs = 10_000;
/** A server that is silent this often in a row is taken for gone. */
const silencesMax = 3;

/**
 * A client that connects again for ever, except where the server refuses who it is.
 *
 * @throws AGENT_UNREACHABLE; UNAUTHORIZED; CANCELLED; INVALID_OPTION for what the client refuses.
 */
export async function connectClient(settings: ClientSettings): Promise<NatsClient> {
  const transport = await importClient();
  const { name, delayMs, signal } = settings;
  const { servers, creds, nkeySeed, timeoutMs, authenticator, tls, ...credentials } =
    settings.connect;
  const encoder = new TextEncoder();
  const checkServerIdentity = identityCheck(servers);
  try {
    const options = {
      ...credentials,
      servers: [...servers],
      name,
      // Publications never come back to the broker object that made them.
      noEcho: true,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: delayMs,
      timeout: timeoutMs,
      pingInterval: pingMs,
      maxPingOut: silencesMax,
      noAsyncTraces: true,
      ...(tls === undefined
        ? {}
        : { tls: { ...(checkServerIdentity && { checkServerIdentity }), ...tls } as object }),
      ...(creds === undefined
        ? {}
        : { authenticator: transport.credsAuthenticator(encoder.encode(creds)) }),
      ...(nkeySeed === undefined
        ? {}
        : { authenticator: transport.nkeyAuthenticator(encoder.encode(nkeySeed)) }),
      ...(authenticator === undefined ? {} : { authenticator: authenticator as never }),
    };
    const client = await withoutForgotten(() => transport.connect(options), signal);
    return client as unknown as NatsClient;
  } catch (cause) {
    throwIfAborted(signal);
    const { cert, certFile } = tls ?? {};
    const certified = cert !== undefined || certFile !== undefined;
    const greeting = isUntold(cause) ? await anyGreeting(servers, timeoutMs) : undefined;
    throw connectError(cause, { servers, secure: tls !== undefined, certified }, greeting);
  }
}

async function anyGreeting(servers: readonly string[], timeoutMs: number) {
  const greetings = await Promise.all(servers.map((server) => greetingOf(server, timeoutMs)));
  return greetings.find((greeting) => greeting !== undefined);
}
