/**
 * Links over the WebSocket of a page. It says neither when what waits was written nor does it let a
 * reader wait, so two bounds are kept here that a socket of Node keeps by itself:
 *
 *   sending     above the high-water mark `bufferedAmount` is looked at again after a moment
 *   receiving   what the reader has not taken is bounded; beyond that the link breaks
 *
 * In a session the second one is out of reach: what a hub may have under way is bounded by credits, and
 * the reader takes chunks as they come.
 */
import { ColloquyError } from "../errors.ts";
import { cancelledError, onAbort } from "../runtime/abort.ts";
import { AsyncQueue } from "../runtime/async-queue.ts";
import { type Clock, systemClock, type Timer } from "../runtime/clock.ts";
import { Deferred } from "../runtime/deferred.ts";
import type { Connect, Link } from "./link.ts";
import { shownUrl } from "./shown-url.ts";
import { webSocketMessageBytesMax } from "./websocket-message.ts";

/** Bytes that may wait to be written before `send` asks the caller to stop. */
const highWaterMark = 256 * 1024;

/** How long until what waits is looked at again. */
const lookAgainMs = 10;

/** Bytes that may wait for the reader: several times what a hub sends without credit. */
const unreadBytesMax = 64 * 2 ** 20;

/**
 * @param url - "ws://..." or "wss://...". It is not looked at before the first connection.
 * @param clock - for the looks at what waits. Default: the real one.
 */
export function connectBrowserWebSocket(url: string, clock: Clock = systemClock): Connect {
  return (signal) =>
    new Promise<Link>((resolve, reject) => {
      if (signal.aborted) {
        reject(cancelledError(signal));
        return;
      }
      const socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      const forget = onAbort(signal, () => {
        socket.onclose = null;
        socket.onopen = null;
        socket.close();
        reject(cancelledError(signal));
      });
      socket.onopen = () => {
        forget();
        resolve(new BrowserWebSocketLink(socket, url, clock));
      };
      // A page is never told why: not who refused, and not whether anybody did.
      socket.onclose = () => {
        forget();
        const message = `no hub takes a WebSocket from this page at ${shownUrl(url)}`;
        reject(new ColloquyError("AGENT_UNREACHABLE", message));
      };
    });
}

class BrowserWebSocketLink implements Link {
  readonly peer: string;
  readonly local = false;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #chunks: AsyncQueue<Uint8Array>;
  readonly #closed = new Deferred();
  #unreadBytes = 0;
  #drained: Deferred | undefined;
  #timer: Timer | undefined;

  constructor(socket: WebSocket, peer: string, clock: Clock) {
    this.peer = peer;
    this.#socket = socket;
    this.#clock = clock;
    this.#chunks = new AsyncQueue({
      onRead: ({ length }) => {
        this.#unreadBytes -= length;
      },
      onStop: () => this.destroy(),
    });
    socket.onmessage = ({ data }: { readonly data: unknown }) => this.#take(data);
    socket.onclose = ({ code, wasClean }) => {
      if (wasClean && code === orderly) this.#chunks.end();
      this.#over(`it was closed with code ${code}`);
    };
  }

  /** The platform copies what it is given. */
  get idle(): boolean {
    return true;
  }

  send(chunk: Uint8Array): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return true;
    for (let start = 0; start < chunk.length; start += webSocketMessageBytesMax) {
      const part = chunk.subarray(start, start + webSocketMessageBytesMax);
      this.#socket.send(part as Uint8Array<ArrayBuffer>);
    }
    return this.#socket.bufferedAmount < highWaterMark;
  }

  drained(): Promise<void> {
    if (!this.#full) return Promise.resolve();
    this.#drained ??= new Deferred();
    const { promise } = this.#drained;
    this.#timer ??= this.#clock.setTimer(lookAgainMs, () => this.#lookAgain());
    return promise;
  }

  receive(): AsyncIterable<Uint8Array> {
    return this.#chunks;
  }

  close(): Promise<void> {
    this.#chunks.end();
    this.#socket.close(orderly);
    return this.#closed.promise;
  }

  /** A page cannot cut a connection: from here on nothing of it is heard, and the platform ends it. */
  destroy(): void {
    this.#chunks.end();
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close();
    this.#over("it was given up");
  }

  get #full(): boolean {
    const { readyState, bufferedAmount } = this.#socket;
    return readyState === WebSocket.OPEN && bufferedAmount >= highWaterMark;
  }

  #lookAgain(): void {
    this.#timer = undefined;
    if (this.#full) this.#timer = this.#clock.setTimer(lookAgainMs, () => this.#lookAgain());
    else this.#release();
  }

  #take(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) {
      this.#break("it carried text");
      return;
    }
    const chunk = new Uint8Array(data);
    if (this.#chunks.ended || chunk.length === 0) return;
    // Before it is pushed: a reader that waits takes it at once, without having been counted.
    this.#chunks.push(chunk);
    if (this.#chunks.size === 0) return;
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes > unreadBytesMax) this.#break(`${unreadBytesMax} bytes were not read`);
  }

  #break(why: string): void {
    this.#chunks.fail(brokenLink(this.peer, why));
    this.destroy();
  }

  #over(why: string): void {
    this.#chunks.fail(brokenLink(this.peer, why));
    this.#release();
    this.#closed.resolve();
  }

  #release(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

/** The code with which both sides say that nothing more comes. */
const orderly = 1_000;

function brokenLink(peer: string, why: string): ColloquyError<"AGENT_UNREACHABLE"> {
  return new ColloquyError("AGENT_UNREACHABLE", `the link to ${peer} broke: ${why}`);
}
