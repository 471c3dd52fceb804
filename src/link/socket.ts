/** A link over a stream socket of the operating system, whatever its address family. */
import type { Socket } from "node:net";
import { ColloquyError } from "../errors.ts";
import { AsyncQueue } from "../runtime/async-queue.ts";
import { Deferred } from "../runtime/deferred.ts";
import type { Link, PeerCertificate } from "./link.ts";
import { notReached } from "./tls-failure.ts";

/** Bytes that may wait to be written before `send` asks the caller to stop; above Node's own mark. */
const highWaterMark = 256 * 1024;

/** Chunks that may wait for the reader, each at most 64 KiB, before the socket is no longer read. */
const waitingChunksMax = 16;

export interface SocketLinkOptions {
  readonly peer: string;
  readonly local: boolean;
  readonly certificate?: PeerCertificate | undefined;
}

export class SocketLink implements Link {
  readonly peer: string;
  readonly local: boolean;
  readonly certificate: PeerCertificate | undefined;
  readonly #socket: Socket;
  readonly #chunks: AsyncQueue<Uint8Array>;
  readonly #closed = new Deferred();
  #drained: Deferred | undefined;

  /** @param socket - connected, with nobody else listening to its events. */
  constructor(socket: Socket, { peer, local, certificate }: SocketLinkOptions) {
    this.certificate = certificate;
    this.peer = peer;
    this.local = local;
    this.#socket = socket;
    this.#chunks = new AsyncQueue({
      onRead: () => {
        if (socket.isPaused() && this.#chunks.size === 0) socket.resume();
      },
      onStop: () => this.destroy(),
    });
    let cause: unknown;
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(plainBytes(chunk));
      if (this.#chunks.size >= waitingChunksMax) socket.pause();
    });
    socket.on("drain", () => this.#release());
    socket.on("end", () => this.#chunks.end());
    socket.on("error", (error) => {
      cause = error;
    });
    socket.on("close", () => {
      this.#chunks.fail(brokenLink(peer, cause));
      this.#release();
      this.#closed.resolve();
    });
  }

  send(chunk: Uint8Array): boolean {
    if (!this.#socket.writable) return true;
    this.#socket.write(chunk);
    return this.#socket.writableLength < highWaterMark;
  }

  /** Mostly so right after `send`: the system has taken the chunk. */
  get idle(): boolean {
    return this.#socket.writableLength === 0;
  }

  drained(): Promise<void> {
    const { writable, writableLength } = this.#socket;
    if (!writable || writableLength < highWaterMark) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  receive(): AsyncIterable<Uint8Array> {
    return this.#chunks;
  }

  close(): Promise<void> {
    // Unread bytes would hold back the end of the other direction, and with it "close".
    this.#chunks.end();
    this.#socket.resume();
    this.#socket.end();
    this.#socket.destroySoon();
    return this.#closed.promise;
  }

  destroy(): void {
    this.#chunks.end();
    this.#socket.destroy();
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

/** Views into a Buffer are Buffers, which cost twice as much to make. */
function plainBytes({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function brokenLink(peer: string, cause: unknown): ColloquyError<"AGENT_UNREACHABLE"> {
  const what = `the link to ${peer} broke`;
  if (cause instanceof Error) return notReached(what, cause);
  return new ColloquyError("AGENT_UNREACHABLE", `${what}: it was closed`, { cause });
}
