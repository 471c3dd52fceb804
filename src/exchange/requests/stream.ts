/**
 * The two ends of a streamed answer. The writer runs ahead of the reader by at most the reader's
 * window: credit is the highest sequence it may send, and grows as chunks are read.
 */
import { ColloquyError } from "../../errors.ts";
import { signalOf } from "../../message/checks.ts";
import { throwIfAborted, type WaitOptions, withAbort } from "../../runtime/abort.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { Reading } from "./reading.ts";

/**
 * What became of a cancel. "accepted": nothing more comes of the work. "too-late": it had ended.
 * "unreachable": the process of its handler is gone, or does not answer.
 */
export type CancelOutcome = "accepted" | "too-late" | "unreachable";

/** A request under way, as its asker holds it. */
export interface Call<Result = unknown> {
  /** Finds the work from any process: `attach`, `cancel`. */
  readonly id: string;
  readonly result: Promise<Result>;
  /** Cancels the work and whatever its handler asked for, and tells what came of that. Safe to repeat. */
  cancel(options?: WaitOptions): Promise<CancelOutcome>;
}

/** What a caller of `stream` gets: the chunks, then the handler's last value. */
export interface StreamReply<Chunk = unknown, Result = unknown>
  extends Call<Result>,
    AsyncIterable<Chunk> {
  /** Settles at the end of the stream; rejects when it was cut, failed or left early. */
  readonly result: Promise<Result>;
  /** Number of the last chunk that came, 0 before the first: what `attach` goes on after. */
  readonly received: number;
  /** The chunks with their numbers, and what is missing; a loop over the stream itself throws there. */
  records(): AsyncIterable<StreamRecord<Chunk, Result>>;
}

export type StreamRecord<Chunk = unknown, Result = unknown> =
  | { readonly kind: "chunk"; readonly sequence: number; readonly chunk: Chunk }
  /** Chunks from number `from` up to and with `to` are lost for good. */
  | { readonly kind: "gap"; readonly from: number; readonly to: number }
  | { readonly kind: "end"; readonly result: Result };

/** Where the chunks come from. */
export interface StreamSource {
  readonly operationId: string;
  stop(): Promise<CancelOutcome>;
}

/** Cancels where `signal` has not aborted before. */
export async function stopped(
  source: StreamSource,
  options: WaitOptions = {},
): Promise<CancelOutcome> {
  const signal = signalOf(options);
  throwIfAborted(signal);
  return withAbort(source.stop(), signal);
}

/** A request with what it takes to make a handle of it. */
export interface Held {
  readonly source: StreamSource;
  readonly result: Promise<unknown>;
}

export interface StreamReaderOptions {
  readonly window: number;
  /** Chunks after this one are read. Default: 0. */
  readonly after?: number | undefined;
  readonly source: () => StreamSource;
  /** Tells the writer that it may send up to this sequence. */
  readonly grant: (credit: number) => void;
  /** Called once when the reader leaves before the end. */
  readonly abandon: () => void;
}

class Gap {
  readonly from: number;
  readonly to: number;

  constructor(from: number, to: number) {
    this.from = from;
    this.to = to;
  }
}

export class StreamReader implements StreamReply {
  readonly result: Promise<unknown>;
  readonly #chunks: AsyncQueue<unknown>;
  readonly #result = new Deferred<unknown>();
  readonly #options: StreamReaderOptions;
  readonly #after: number;
  #received: number;
  #granted: number;

  constructor(options: StreamReaderOptions) {
    this.#options = options;
    this.#after = options.after ?? 0;
    this.#received = this.#after;
    this.#granted = this.#after + options.window;
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

  /** A chunk has come. */
  get begun(): boolean {
    return this.#received > this.#after;
  }

  /** The writer has used up what it was granted: it is the reader who keeps silence. */
  get full(): boolean {
    return this.#received >= this.#granted;
  }

  get granted(): number {
    return this.#granted;
  }

  get id(): string {
    return this.#options.source().operationId;
  }

  cancel(options?: WaitOptions): Promise<CancelOutcome> {
    return stopped(this.#options.source(), options);
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown, undefined> {
    if (this.#options.after === undefined) return this.#chunks;
    return new Reading(this.#chunks, { read: notMissing });
  }

  records(): AsyncIterableIterator<StreamRecord, undefined> {
    let sequence = this.#after;
    return new Reading<unknown, StreamRecord>(this.#chunks, {
      read: (item) => {
        if (!(item instanceof Gap)) return { kind: "chunk", sequence: ++sequence, chunk: item };
        const { from, to } = item;
        sequence = to;
        return { kind: "gap", from, to };
      },
      last: async () => ({ kind: "end", result: await this.result }),
    });
  }

  /** The next chunk is the one behind number `sequence`: those in between are lost for good. */
  skipTo(sequence: number): void {
    if (sequence <= this.#received) return;
    this.#chunks.push(new Gap(this.#received + 1, sequence));
    this.#received = sequence;
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
    const credit = this.#received - this.#chunks.size + this.#options.window;
    if (credit - this.#granted < this.#options.window / 2) return;
    this.#granted = credit;
    this.#options.grant(credit);
  }

  #onStop(): void {
    this.#result.reject(new ColloquyError("CANCELLED", "the reader left before the end"));
    this.#options.abandon();
  }
}

function notMissing(item: unknown): unknown {
  if (item instanceof Gap) throw missing(item);
  return item;
}

function missing({ from, to }: Gap): ColloquyError<"STREAM_CUT"> {
  return new ColloquyError("STREAM_CUT", `chunks ${from} to ${to} are lost: records() goes on`, {
    details: { received: from - 1, from, to },
  });
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

/**
 * Moves what `chunks` yields into `sink` as credit allows. Never rejects.
 *
 * @param after - the first chunk gets the next number.
 */
export async function pump(
  chunks: AsyncIterable<unknown>,
  gate: CreditGate,
  sink: ChunkSink,
  after = 0,
): Promise<void> {
  let iterator: AsyncIterator<unknown, unknown> | undefined;
  let sequence = after;
  try {
    iterator = chunks[Symbol.asyncIterator]();
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
    // A chunk that could not be sent is not the handler's end: it learns of it, and cleans up.
    await Promise.resolve(iterator?.return?.()).catch(() => {});
  }
}
