/**
 * One direction of an in-memory link.
 *
 *   send ──▶ on its way ── latency, bandwidth, partitions ──▶ window ──▶ receive
 *
 * Bytes arrive in order, cut anew. What the reader does not take fills the window, then holds what
 * is on its way, and with it the sender.
 */
import {
  aboveZero,
  type Check,
  type Checks,
  checkOptions,
  number,
  oneOf,
} from "../message/checks.ts";
import { AsyncQueue } from "../runtime/async-queue.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { Deferred } from "../runtime/deferred.ts";
import type { Random } from "../runtime/random.ts";
import { RingBuffer } from "../runtime/ring-buffer.ts";

export interface LatencyRange {
  readonly min: number;
  readonly max: number;
}

/** How bytes fare from one host to another. */
export interface Conditions {
  /** From sending to arrival: always so many milliseconds, or drawn anew for each chunk. Default: 0. */
  readonly latencyMs?: number | LatencyRange;
  /** Default: no limit. */
  readonly bytesPerMs?: number;
  /** How the stream is cut on arrival: as it was sent, anywhere, or after every byte. Default: as sent. */
  readonly chunks?: "as-sent" | "anywhere" | "bytes";
}

export const aLatency: Check = (field, value) => {
  if (typeof value === "number") number(0)(field, value);
  else checkOptions<LatencyRange>(value, { min: number(0), max: number(0) }, field);
};

export const conditionChecks: Checks<Conditions> = {
  latencyMs: aLatency,
  bytesPerMs: aboveZero,
  chunks: oneOf("as-sent", "anywhere", "bytes"),
};

/** What carries the bytes of one direction. */
export interface Way {
  readonly clock: Clock;
  readonly random: Random;
  /** Asked for each chunk, so that a change holds for what is sent from then on. */
  readonly conditions: () => Conditions;
  /** False while a partition holds everything back. */
  readonly passable: () => boolean;
  /** Bytes on their way above which the sender is asked to wait. */
  readonly highWaterBytes: number;
  /** Bytes that wait for the reader before arrival stops. */
  readonly windowBytes: number;
}

export interface PipeOptions extends Way {
  /** The reader left its loop. */
  readonly onStop: () => void;
  /** The end that the sender put behind its last byte has arrived. */
  readonly onEnd: () => void;
}

interface Shipment {
  /** Undefined is the end of the stream. */
  readonly chunk: Uint8Array | undefined;
  readonly arrivesMs: number;
}

/** Longest piece of a stream that is cut anywhere. */
const anywhereBytesMax = 1024;

export class MemoryPipe {
  readonly received: AsyncQueue<Uint8Array>;
  readonly #options: PipeOptions;
  readonly #way = new RingBuffer<Shipment>();
  #wayBytes = 0;
  #windowBytes = 0;
  #lastArrivalMs = 0;
  #timer: Timer | undefined;
  #drained: Deferred | undefined;
  #open = true;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.received = new AsyncQueue({
      onRead: (chunk) => {
        this.#windowBytes -= chunk.length;
        this.pump();
      },
      onStop: options.onStop,
    });
  }

  get open(): boolean {
    return this.#open;
  }

  /** Something that was sent has not arrived. */
  get underway(): boolean {
    return this.#way.size > 0;
  }

  /** @returns false when the sender should wait for `drained`. */
  send(chunk: Uint8Array): boolean {
    if (!this.#open) return true;
    if (chunk.length > 0) this.#ship(chunk);
    return this.#wayBytes <= this.#options.highWaterBytes;
  }

  drained(): Promise<void> {
    if (!this.#open || this.#wayBytes <= this.#options.highWaterBytes) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  /** Sends the end behind everything else; nothing can be sent after it. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#ship(undefined);
  }

  /** Loses what is on its way. The reader gets what had arrived, then `error`. */
  cut(error: unknown): void {
    this.#open = false;
    this.#way.clear();
    this.#wayBytes = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.received.fail(error);
    this.#release();
  }

  /** Lets arrive what may: after time has passed, a read, or the end of a partition. */
  pump(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { clock, passable, windowBytes, highWaterBytes } = this.#options;
    const arrived: Uint8Array[] = [];
    let room = windowBytes - this.#windowBytes;
    for (let next = this.#way.peek(); next !== undefined; next = this.#way.peek()) {
      if (room <= 0 || !passable()) break;
      const waitMs = next.arrivesMs - clock.monotonicMs();
      if (waitMs > 0) {
        this.#timer = clock.setTimer(waitMs, () => this.pump());
        break;
      }
      this.#way.shift();
      if (next.chunk === undefined) {
        this.#deliver(arrived);
        this.received.end();
        this.#options.onEnd();
        return;
      }
      arrived.push(next.chunk);
      room -= next.chunk.length;
      this.#wayBytes -= next.chunk.length;
    }
    this.#deliver(arrived);
    if (this.#wayBytes <= highWaterBytes) this.#release();
  }

  #ship(chunk: Uint8Array | undefined): void {
    const { clock, random, conditions } = this.#options;
    const { latencyMs = 0, bytesPerMs = Number.POSITIVE_INFINITY } = conditions();
    const nowMs = clock.monotonicMs();
    const bytes = chunk?.length ?? 0;
    const earliestMs = Math.max(this.#lastArrivalMs, nowMs + drawLatency(latencyMs, random));
    const arrivesMs = earliestMs + bytes / bytesPerMs;
    this.#lastArrivalMs = arrivesMs;
    this.#wayBytes += bytes;
    this.#way.push({ chunk, arrivesMs });
    if (this.#way.size > 1) return;
    // Also without latency, never within `send`: no socket answers before the write returns.
    this.#timer = clock.setTimer(arrivesMs - nowMs, () => this.pump());
  }

  #deliver(arrived: readonly Uint8Array[]): void {
    const { random, conditions } = this.#options;
    const { chunks = "as-sent" } = conditions();
    if (chunks === "as-sent" || arrived.length === 0) {
      for (const chunk of arrived) this.#hand(chunk);
      return;
    }
    const bytes = Buffer.concat(arrived);
    const pieceBytesMax = chunks === "bytes" ? 1 : anywhereBytesMax;
    for (let start = 0, end = 0; start < bytes.length; start = end) {
      end = start + 1 + (random.uint32() % pieceBytesMax);
      this.#hand(bytes.subarray(start, end));
    }
  }

  #hand(chunk: Uint8Array): void {
    const { size } = this.received;
    this.received.push(chunk);
    if (this.received.size > size) this.#windowBytes += chunk.length;
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

export function drawLatency(latency: NonNullable<Conditions["latencyMs"]>, random: Random): number {
  if (typeof latency === "number") return latency;
  return latency.min + random.float() * (latency.max - latency.min);
}
