/**
 * Links over WebSockets (RFC 6455), from Node. The bytes of a link are cut into binary messages whose
 * boundaries mean nothing. Nothing is compressed: payloads are compressed above, and what a stranger
 * sends must not expand.
 */
import { WebSocket } from "ws";
import { ColloquyError } from "../errors.ts";
import { checkedWithin, checkOptions, text } from "../message/checks.ts";
import { cancelledError, onAbort } from "../runtime/abort.ts";
import { AsyncQueue } from "../runtime/async-queue.ts";
import { Deferred } from "../runtime/deferred.ts";
import type { Connect, Link } from "./link.ts";
import { shownUrl } from "./shown-url.ts";
import { clientTls } from "./tls.ts";
import { notReached } from "./tls-failure.ts";
import type { ClientTls } from "./tls-options.ts";
import { webSocketMessageBytesMax } from "./websocket-message.ts";

export { webSocketMessageBytesMax };

/** What one connection may hold before its bytes are passed on, whoever it is. */
export const webSocketLimits: {
  readonly perMessageDeflate: false;
  readonly maxPayload: number;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
} = {
  perMessageDeflate: false,
  maxPayload: webSocketMessageBytesMax,
  maxFragments: 16,
  maxBufferedChunks: 1_024,
};

export interface WebSocketAddress {
  /** "ws://host:port/path" or "wss://...". */
  readonly url: string;
  /** For wss. */
  readonly tls?: ClientTls;
}

const handshakeTimeoutMs = 10_000;

/**
 * @throws INVALID_OPTION naming `url` or `tls`. Connecting rejects with AGENT_UNREACHABLE, also where
 *   what answers is no hub or does not let this client in.
 */
export function connectWebSocket(to: WebSocketAddress): Connect {
  checkOptions<WebSocketAddress>(to, { url: text, tls: checkedWithin });
  const { url, tls } = to;
  const shown = shownUrl(url);
  const { protocol, hostname } = parsed(url);
  const secure = protocol === "wss:" ? clientTls(tls ?? {}, hostname.replace(/^\[|\]$/g, "")) : {};
  return (signal) => {
    if (signal.aborted) return Promise.reject(cancelledError(signal));
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, {
        ...secure,
        ...webSocketLimits,
        followRedirects: false,
        handshakeTimeout: handshakeTimeoutMs,
      });
      const forget = onAbort(signal, () => {
        socket.terminate();
        reject(cancelledError(signal));
      });
      // Stays: giving up while it connects makes the socket complain once more.
      socket.on("error", (cause) => {
        forget();
        reject(notReached(`nobody takes a WebSocket at ${shown}`, cause));
      });
      socket.once("open", () => {
        forget();
        resolve(new WebSocketLink(socket, shown));
      });
    });
  };
}

/** Bytes that may wait to be written before `send` asks the caller to stop. */
const highWaterMark = 256 * 1024;

/** Messages that may wait for the reader before the socket is no longer read. */
const waitingChunksMax = 16;

/** The code with which both sides say that nothing more comes. */
const orderly = 1_000;

class WebSocketLink implements Link {
  readonly peer: string;
  readonly local = false;
  readonly #socket: WebSocket;
  readonly #chunks: AsyncQueue<Uint8Array>;
  readonly #closed = new Deferred();
  #drained: Deferred | undefined;

  /** @param socket - open, with nobody else listening to its messages. */
  constructor(socket: WebSocket, peer: string) {
    this.peer = peer;
    this.#socket = socket;
    this.#chunks = new AsyncQueue({
      onRead: () => {
        if (socket.isPaused && this.#chunks.size === 0) socket.resume();
      },
      onStop: () => this.destroy(),
    });
    let cause: unknown;
    socket.on("message", (data, isBinary) => {
      if (!isBinary || !(data instanceof Buffer)) return socket.close(1_003, "binary only");
      if (data.length === 0) return;
      this.#chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      if (this.#chunks.size >= waitingChunksMax) socket.pause();
    });
    socket.on("error", (error) => {
      cause = error;
    });
    socket.on("close", (code) => {
      if (code === orderly) this.#chunks.end();
      this.#chunks.fail(brokenLink(peer, code, cause));
      this.#release();
      this.#closed.resolve();
    });
  }

  get idle(): boolean {
    return this.#socket.bufferedAmount === 0;
  }

  send(chunk: Uint8Array): boolean {
    if (!this.#open) return true;
    for (let start = 0; start < chunk.length; start += webSocketMessageBytesMax) {
      const part = chunk.subarray(start, start + webSocketMessageBytesMax);
      this.#socket.send(part, this.#written);
    }
    return this.#socket.bufferedAmount < highWaterMark;
  }

  drained(): Promise<void> {
    if (!this.#open || this.#socket.bufferedAmount < highWaterMark) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  receive(): AsyncIterable<Uint8Array> {
    return this.#chunks;
  }

  close(): Promise<void> {
    // Unread messages would hold back the other side's goodbye.
    this.#chunks.end();
    if (this.#socket.isPaused) this.#socket.resume();
    this.#socket.close(orderly);
    return this.#closed.promise;
  }

  destroy(): void {
    this.#chunks.end();
    this.#socket.terminate();
  }

  get #open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  readonly #written = (): void => {
    if (this.#drained !== undefined && this.#socket.bufferedAmount < highWaterMark) this.#release();
  };

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

function parsed(url: string): URL {
  const found = URL.parse(url);
  if (found?.protocol === "ws:" || found?.protocol === "wss:") return found;
  throw new ColloquyError(
    "INVALID_OPTION",
    `url: ${shownUrl(url)} is not ws://host or wss://host`,
    {
      details: { field: "url", value: shownUrl(url) },
    },
  );
}

function brokenLink(peer: string, code: number, cause: unknown): ColloquyError {
  const why = cause instanceof Error ? cause.message : `it was closed with code ${code}`;
  return new ColloquyError("AGENT_UNREACHABLE", `the link to ${peer} broke: ${why}`, { cause });
}
