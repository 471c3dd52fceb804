/**
 * The two ends of a streamed answer. The writer runs ahead of the reader by at most the reader's
 * window: credit is the highest sequence it may send, and grows as chunks are read.
 */
import { ColloquyError } from "../errors.ts";
import { AsyncQueue } from "../runtime/async-queue.ts";
import { Deferred } from "../runtime/deferred.ts";

/** What a caller of `stream` gets: the chunks, then the handler's last value. */
export interface StreamReply<Chunk = unknown, Result = unknown> extends AsyncIterable<Chunk> {
  /** Settles at the end of the stream; rejects when it was cut, failed or left early. */
  readonly result: Promise<Result>;
}

export interface StreamReaderOptions {
  readonly window: number;
  /** Tells the writer that it may send up to this sequence. */
  readonly grant: (credit: number) => void;
  /** Called once when the reader leaves before the end. */
  readonly abandon: () => void;
}

export class StreamReader implements StreamReply {
  readonly result: Promise<unknown>;
  readonly #chunks: AsyncQueue<unknown>;
  readonly #result = new Deferred<unknown>();
  readonly #options: StreamReaderOptions;
  #received = 0;
  #read = 0;
  #granted: number;

  constructor(options: StreamReaderOptions) {
    this.#options = options;
    this.#granted = options.window;
    this.result = this.#result.promise;
    // Whoever only reads the chunks learns of a failure there.
    this.result.catch(() => {});
    this.#chunks = new AsyncQueue({
      onRead: () => this.#onRead(),
      onStop: () => this.#onStop(),
    });
  }

  /** The highest sequence received: where a resumed stream goes on. */
  get received(): number {
    return this.#received;
  }

  get granted(): number {
    return this.#granted;
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown, undefined> {
    return this.#chunks;
  }

  /**
   * Takes chunk number `sequence`; one that came before is dropped.
   *
   * @returns false when a chunk is missing before it.
   */
  push(sequence: number, chunk: unknown): boolean {
    if (sequence <= this.#received) return true;
    if (sequence !== this.#received + 1) return false;
    this.#received = sequence;
    this.#chunks.push(chunk);
    // A reader that was waiting took the chunk without a read of the buffer.
    if (this.#chunks.size === 0) this.#onRead();
    return true;
  }

  end(result: unknown): void {
    this.#result.resolve(result);
    this.#chunks.end();
  }

  fail(error: unknown): void {
    this.#result.reject(error);
    this.#chunks.fail(error);
  }

  /** Half a window at a time: a grant for every chunk would double the traffic. */
  #onRead(): void {
    this.#read = this.#received - this.#chunks.size;
    const credit = this.#read + this.#options.window;
    if (credit - this.#granted < this.#options.window / 2) return;
    this.#granted = credit;
    this.#options.grant(credit);
  }

  #onStop(): void {
    this.#result.reject(new ColloquyError("CANCELLED", "the reader left before the end"));
    this.#options.abandon();
  }
}

/** Where a writer's chunks go. */
export interface ChunkSink {
  chunk(sequence: number, chunk: unknown): void;
  end(result: unknown, sequence: number): Promise<void> | undefined;
  fail(error: unknown): void;
}

/** Lets a writer wait for credit. */
export class CreditGate {
  #credit: number;
  #open = true;
  #waiting: Deferred<void> | undefined;

  constructor(credit: number) {
    this.#credit = credit;
  }

  get open(): boolean {
    return this.#open;
  }

  grant(credit: number): void {
    if (credit <= this.#credit) return;
    this.#credit = credit;
    this.#wake();
  }

  /** The reader is gone: nothing more may be sent. */
  shut(): void {
    this.#open = false;
    this.#wake();
  }

  /** Resolves when `sequence` may be sent, or the gate was shut. */
  async room(sequence: number): Promise<void> {
    while (this.#open && sequence > this.#credit) {
      this.#waiting ??= new Deferred();
      await this.#waiting.promise;
    }
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

/** Moves what `chunks` yields into `sink` as credit allows. Never rejects. */
export async function pump(
  chunks: AsyncIterable<unknown>,
  gate: CreditGate,
  sink: ChunkSink,
): Promise<void> {
  const iterator = chunks[Symbol.asyncIterator]();
  let sequence = 0;
  try {
    for (;;) {
      await gate.room(sequence + 1);
      if (!gate.open) {
        await iterator.return?.();
        return;
      }
      const step = await iterator.next();
      if (step.done === true) {
        await sink.end(step.value, sequence);
        return;
      }
      if (gate.open) sink.chunk(++sequence, step.value);
    }
  } catch (error) {
    sink.fail(error);
  }
}
