/**
 * A link between two threads of one process, over a `MessagePort`.
 *
 *   Uint8Array   a chunk, moved to the other thread
 *   number       bytes the reader has taken since it last said so: what holds a sender back
 *   null         the end, in order
 *
 * A chunk of 8 KiB costs both threads together about as much as over a Unix socket, a small one more.
 */
import type { MessagePort } from "node:worker_threads";
import { ColloquyError } from "../errors.ts";
import { AsyncQueue } from "../runtime/async-queue.ts";
import { Deferred } from "../runtime/deferred.ts";
import type { Link } from "./link.ts";

/** Bytes that may be on their way to the other thread before `send` asks the caller to stop. */
const highWaterMark = 1024 * 1024;

/** Bytes taken before the sender is told: a message of its own for every chunk would be waste. */
const acknowledgedBytes = 128 * 1024;

type PortMessage = Uint8Array | number | null;

export class MessagePortLink implements Link {
  readonly peer: string;
  readonly #port: MessagePort;
  readonly #chunks: AsyncQueue<Uint8Array> = new AsyncQueue({ onStop: () => this.destroy() });
  readonly #closed = new Deferred();
  #drained: Deferred | undefined;
  #sentBytes = 0;
  #takenBytes = 0;
  #ended = false;

  constructor(port: MessagePort, peer: string) {
    this.peer = peer;
    this.#port = port;
    port.on("message", (message: PortMessage) => this.#take(message));
    port.on("close", () => this.#finish());
  }

  send(chunk: Uint8Array): boolean {
    if (this.#ended) return true;
    // A view would travel with everything around it, and moving it would take that from its owner.
    const copy = new Uint8Array(chunk);
    this.#port.postMessage(copy, [copy.buffer]);
    this.#sentBytes += chunk.length;
    return this.#sentBytes < highWaterMark;
  }

  /** A copy was sent. */
  get idle(): boolean {
    return true;
  }

  drained(): Promise<void> {
    if (this.#ended || this.#sentBytes < highWaterMark) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  async *receive(): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of this.#chunks) {
      yield chunk;
      this.#takenBytes += chunk.length;
      if (this.#takenBytes < acknowledgedBytes || this.#ended) continue;
      this.#port.postMessage(this.#takenBytes);
      this.#takenBytes = 0;
    }
  }

  close(): Promise<void> {
    if (!this.#ended) this.#port.postMessage(null);
    this.destroy();
    return this.#closed.promise;
  }

  destroy(): void {
    this.#ended = true;
    this.#chunks.end();
    this.#port.close();
  }

  #take(message: PortMessage): void {
    if (message === null) {
      this.#chunks.end();
    } else if (typeof message === "number") {
      this.#sentBytes -= message;
      if (this.#sentBytes < highWaterMark) this.#release();
    } else {
      this.#chunks.push(message);
    }
  }

  #finish(): void {
    this.#ended = true;
    const message = `the link to ${this.peer} broke: its thread has ended`;
    this.#chunks.fail(new ColloquyError("AGENT_UNREACHABLE", message));
    this.#release();
    this.#closed.resolve();
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}
