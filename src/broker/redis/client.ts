/**
 * The part of a client of `@redis/client` (6 or newer, RESP 3) that this broker uses, and how it gets
 * one. A broker never works on a client that was handed in: it makes connections of its own from it.
 */
import { ColloquyError } from "../../errors.ts";

export type RedisArgument = string | Buffer;

/** Binary strings come as buffers, see `clientSettings`. */
export type RedisReply = Buffer | string | number | boolean | null | readonly RedisReply[];

export type RedisListener = (message: Buffer, channel: Buffer) => void;

/** A ready client, `createClient(...)`, is one. Those of a sentinel, a cluster or a pool are not. */
export interface RedisClient {
  /** One more of the same options, not connected yet. */
  duplicate(overrides: object): RedisClient;
  connect(): Promise<unknown>;
  /** Ends the connection at once. */
  destroy(): void;
  on(event: "error" | "end", listener: (cause?: unknown) => void): unknown;
  // Methods, so that the client's own more exact signatures fit.
  sendCommand(parts: readonly RedisArgument[]): Promise<unknown>;
  subscribe(channel: string, listener: RedisListener, buffers: true): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  pSubscribe(pattern: string, listener: RedisListener, buffers: true): Promise<unknown>;
  pUnsubscribe(pattern: string): Promise<unknown>;
  readonly options?: { readonly socket?: object | undefined } | undefined;
}

/** RESP's sign of a binary string, `$`, by which the client's mapping of types goes. */
const blobString = 36;

export interface ClientSettings {
  /** As the server shows it in CLIENT LIST. */
  readonly name: string;
  readonly connectTimeoutMs: number;
  /** Closes the socket: a client that is destroyed while it connects leaves it open. */
  readonly signal: AbortSignal;
}

/**
 * What a connection of ours is opened with, whatever the client it was made from has. It connects
 * once: connecting again, and waiting for it, is the broker's.
 */
export function clientSettings(settings: ClientSettings, socket: object = {}): object {
  const { name, connectTimeoutMs, signal } = settings;
  return {
    name,
    socket: { ...socket, connectTimeout: connectTimeoutMs, reconnectStrategy: false, signal },
    disableOfflineQueue: true,
    // Ours covers the answer; the client's own ends when a command is written, and costs a timer each.
    commandOptions: { timeout: undefined, typeMapping: { [blobString]: Buffer } },
    maintNotifications: "disabled",
    RESP: 3,
  };
}

/**
 * A client that knows how to reach the server and is never connected itself.
 *
 * @throws UNSUPPORTED where `@redis/client` is not installed; INVALID_OPTION for what it refuses.
 */
export async function prototypeClient(options: object): Promise<RedisClient> {
  const { createClient } = await importClient();
  try {
    return createClient(options) as unknown as RedisClient;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ColloquyError("INVALID_OPTION", `url: ${why}`, { cause, details: { field: "url" } });
  }
}

async function importClient(): Promise<typeof import("@redis/client")> {
  try {
    return await import("@redis/client");
  } catch (cause) {
    const message = "redis: needs the package @redis/client; run: npm install @redis/client";
    throw new ColloquyError("UNSUPPORTED", message, {
      cause,
      details: { field: "redis", package: "@redis/client" },
    });
  }
}

/** The same bytes, as the client wants them. */
export function frameArgument(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
