/** This process owns the directory: it holds the lock, and a worker thread runs the hub over the store. */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { ColloquyError, errorFromInfo } from "../../errors.ts";
import type { Link } from "../../link/link.ts";
import { MessagePortLink } from "../../link/message-port.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { removeHubFile } from "./hub-file.ts";
import type { Endpoint } from "./listening.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./worker-protocol.ts";

/** Built code has only .js files, and nothing rewrites the name of a worker's file. */
const workerUrl = new URL(
  import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js",
  import.meta.url,
);

/**
 * Megabytes, a third of the default. What a hub makes is mostly bytes outside the heap, of chunks and
 * pages, which a collection of the young generation frees. Where that is rare because the young
 * generation is large, they pile up until a full collection is due, and then one follows the other.
 */
const maxYoungGenerationSizeMb = 24;

/** What is held as long as the worker runs. */
export interface Lock {
  release(): void;
}

export class Owner {
  readonly #worker: Worker;
  readonly #lock: Lock;
  readonly #options: WorkerOptions;
  readonly #ready = new Deferred<readonly Endpoint[]>();
  readonly #ended = new Deferred<ColloquyError | undefined>();
  #failure: ColloquyError | undefined;
  #closing = false;

  constructor(lock: Lock, options: WorkerOptions) {
    this.#lock = lock;
    this.#options = options;
    this.#worker = new Worker(workerUrl, {
      workerData: options,
      name: "colloquy hub",
      resourceLimits: { maxYoungGenerationSizeMb },
    });
    this.#worker.on("message", (message: FromWorker) => {
      if (message.kind === "ready") this.#ready.resolve(message.endpoints);
      else this.#failure = errorFromInfo(message.error);
    });
    this.#worker.on("error", (cause) => {
      const text = `the thread of the store failed: ${cause instanceof Error ? cause.message : cause}`;
      this.#failure = new ColloquyError("INTERNAL_ERROR", text, { cause });
    });
    this.#worker.on("exit", () => this.#end());
    // Who starts it awaits this; should the worker fail later, nobody does.
    this.#ready.promise.catch(() => {});
  }

  /** Resolves when the worker serves, with what it listens at by option; rejects with the reason why it cannot. */
  get ready(): Promise<readonly Endpoint[]> {
    return this.#ready.promise;
  }

  /** Resolves when the worker has ended and the lock is free, with the reason unless it was closed. */
  get ended(): Promise<ColloquyError | undefined> {
    return this.#ended.promise;
  }

  /** A link of this thread to the hub. */
  link(): Link {
    const { port1, port2 } = new MessageChannel();
    this.#post({ kind: "link", port: port2 }, port2);
    return new MessagePortLink(port1, this.#options.directory ?? "memory");
  }

  /** Readiness turns: the end is near. */
  drain(): void {
    this.#post({ kind: "drain" });
  }

  /** Hands over: ends the hub, closes the store, frees the lock. Safe to repeat; never rejects. */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#post({ kind: "close" });
    }
    await this.#ended.promise;
  }

  #post(message: ToWorker, ...moved: readonly MessagePort[]): void {
    this.#worker.postMessage(message, [...moved]);
  }

  #end(): void {
    if (!this.#closing) {
      this.#failure ??= new ColloquyError("INTERNAL_ERROR", "the thread of the store has ended");
    }
    const { hubFile } = this.#options;
    if (this.#closing && hubFile !== undefined) removeHubFile(hubFile);
    this.#lock.release();
    this.#ready.reject(this.#failure ?? new ColloquyError("CLOSED", "closed while opening"));
    this.#ended.resolve(this.#failure);
  }
}
