/** One direction of a connection through the fault proxy: chunk by chunk, one at a time. */
import type { Socket } from "node:net";
import { readUint32 } from "../message/byte-reader.ts";
import { frameHeadBytes } from "../message/limits.ts";
import type { Clock } from "../runtime/clock.ts";
import { Deferred } from "../runtime/deferred.ts";
import type { Random } from "../runtime/random.ts";
import { sleep } from "../runtime/sleep.ts";

/** How bytes fare in one direction. Everything by default as they came. */
export interface ProxyWay {
  /** Nothing gets through, and nothing is lost; the sockets stay open. Default: false. */
  readonly stalled?: boolean;
  /** What arrives is thrown away without a word, as behind a firewall that forgot the connection. Default: false. */
  readonly blackHole?: boolean;
  /** Each chunk waits so long, milliseconds. Default: 0. */
  readonly delayMs?: number;
  /** Default: no limit. */
  readonly bytesPerMs?: number;
  /** How the stream is cut: as it came, anywhere by chance, or after every byte. Default: "as-sent". */
  readonly chunks?: "as-sent" | "anywhere" | "bytes";
}

/**
 * What is done once, to what passes next. Frames are Colloquy's own; `bytes` are anybody's.
 *
 *   corrupt-head   the first byte of the next frame is turned over
 *   the others     drop, send twice, or turn around with its successor
 */
export type InjectedFault =
  | "drop-frame"
  | "duplicate-frame"
  | "reorder-frames"
  | "corrupt-head"
  | "drop-byte"
  | "duplicate-byte"
  | "corrupt-byte";

export interface ProxyPipeOptions {
  readonly from: Socket;
  readonly to: Socket;
  readonly random: Random;
  readonly clock: Clock;
  readonly way: () => ProxyWay;
}

/** Longest piece of a stream that is cut anywhere. */
const anywhereBytesMax = 1_024;

/** With a rate, a piece is no longer than what it takes so long to pass. */
const rateMs = 10;

export class ProxyPipe {
  readonly #options: ProxyPipeOptions;
  readonly #injected: InjectedFault[] = [];
  #changed = new Deferred();
  #passedBytes = 0;
  #swallowedBytes = 0;
  /** A frame, or two that change places, of which the end has not come yet. */
  #part: Uint8Array = new Uint8Array(0);
  /** Bytes until the next frame begins. */
  #untilFrame = 0;
  #head: Uint8Array = new Uint8Array(0);

  constructor(options: ProxyPipeOptions) {
    this.#options = options;
    // Who waits for a stall to end learns here that there is nobody left.
    options.to.once("close", () => this.changed());
    void this.#run();
  }

  /** The way's faults are others now. */
  changed(): void {
    this.#changed.resolve();
    this.#changed = new Deferred();
  }

  inject(fault: InjectedFault): void {
    this.#injected.push(fault);
  }

  /** Bytes that were written to the other side. */
  get passedBytes(): number {
    return this.#passedBytes;
  }

  /** Bytes that a black hole took. */
  get swallowedBytes(): number {
    return this.#swallowedBytes;
  }

  /** Faults that nothing has met yet. */
  get waiting(): number {
    return this.#injected.length;
  }

  async #run(): Promise<void> {
    const { from, to, way } = this.#options;
    try {
      // The other direction may go on after the end of this one.
      const chunks: AsyncIterable<Uint8Array> = from.iterator({ destroyOnReturn: false });
      for await (const chunk of chunks) {
        if (way().blackHole === true) {
          this.#swallowedBytes += chunk.length;
          continue;
        }
        const bytes = this.#follow(new Uint8Array(chunk));
        if (bytes.length > 0) await this.#deliver(bytes);
      }
      await this.#open();
      to.end();
    } catch {
      // A socket that broke is followed by its other end when it closes.
    }
  }

  async #deliver(bytes: Uint8Array): Promise<void> {
    const { to, clock, way } = this.#options;
    for (let at = 0; at < bytes.length; ) {
      await this.#open();
      const { delayMs = 0, bytesPerMs } = way();
      if (at === 0 && delayMs > 0) await sleep(clock, delayMs);
      const piece = bytes.subarray(at, at + this.#pieceLength(bytes.length - at));
      at += piece.length;
      if (bytesPerMs !== undefined) await sleep(clock, piece.length / bytesPerMs);
      if (to.destroyed) return;
      await written(to, piece);
      this.#passedBytes += piece.length;
    }
  }

  async #open(): Promise<void> {
    const { way, to } = this.#options;
    while (way().stalled === true && !to.destroyed) await this.#changed.promise;
  }

  #pieceLength(left: number): number {
    const { way, random } = this.#options;
    const { chunks = "as-sent", bytesPerMs = Infinity } = way();
    if (chunks === "bytes") return 1;
    const cut = chunks === "anywhere" ? 1 + Math.floor(random.float() * anywhereBytesMax) : left;
    return Math.max(1, Math.min(left, cut, Math.floor(bytesPerMs * rateMs)));
  }

  /** Keeps count of where frames begin, and plays what was injected. */
  #follow(chunk: Uint8Array): Uint8Array {
    const bytes = this.#part.length === 0 ? chunk : joined(this.#part, chunk);
    this.#part = new Uint8Array(0);
    const fault = this.#injected[0];
    if (fault === undefined) return this.#count(bytes);
    if (fault.endsWith("byte")) {
      this.#injected.shift();
      return this.#count(this.#spoilt(bytes, fault));
    }
    // Up to the next frame as it came.
    let begin = 0;
    while (begin < bytes.length && !this.#betweenFrames) {
      begin += this.#advance(bytes.subarray(begin));
    }
    if (begin === bytes.length) return bytes;
    const end = frameEnd(bytes, begin);
    const last = fault === "reorder-frames" && end !== undefined ? frameEnd(bytes, end) : end;
    if (end === undefined || last === undefined) {
      this.#part = bytes.slice(begin);
      return bytes.subarray(0, begin);
    }
    this.#injected.shift();
    const [first, second] = [bytes.subarray(begin, end), bytes.subarray(end, last)];
    const rest = this.#follow(bytes.subarray(last));
    return joined(bytes.subarray(0, begin), ...changed(fault, first, second), rest);
  }

  get #betweenFrames(): boolean {
    return this.#untilFrame === 0 && this.#head.length === 0;
  }

  #count(bytes: Uint8Array): Uint8Array {
    for (let at = 0; at < bytes.length; ) at += this.#advance(bytes.subarray(at));
    return bytes;
  }

  /** To the end of the head or of the frame in which `bytes` begin. @returns how many of them that takes. */
  #advance(bytes: Uint8Array): number {
    if (this.#untilFrame > 0) {
      const skipped = Math.min(this.#untilFrame, bytes.length);
      this.#untilFrame -= skipped;
      return skipped;
    }
    const taken = bytes.subarray(0, frameHeadBytes - this.#head.length);
    this.#head = joined(this.#head, taken);
    if (this.#head.length === frameHeadBytes) {
      this.#untilFrame = readUint32(this.#head, 4) + readUint32(this.#head, 8);
      this.#head = new Uint8Array(0);
    }
    return taken.length;
  }

  #spoilt(bytes: Uint8Array, fault: InjectedFault): Uint8Array {
    const { random } = this.#options;
    const at = Math.floor(random.float() * bytes.length);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)];
    const byte = bytes.subarray(at, at + 1);
    if (fault === "drop-byte") return joined(before, after);
    if (fault === "duplicate-byte") return joined(before, byte, byte, after);
    const turned = (byte[0] as number) ^ (1 + Math.floor(random.float() * 255));
    return joined(before, Uint8Array.of(turned), after);
  }
}

function changed(fault: InjectedFault, first: Uint8Array, second: Uint8Array): Uint8Array[] {
  if (fault === "drop-frame") return [];
  if (fault === "duplicate-frame") return [first, first];
  if (fault === "reorder-frames") return [second, first];
  return [Uint8Array.of((first[0] as number) ^ 0xff), first.subarray(1)];
}

/** Where the frame that begins at `at` ends; undefined while its end is not there. */
function frameEnd(bytes: Uint8Array, at: number): number | undefined {
  if (bytes.length - at < frameHeadBytes) return undefined;
  const end = at + frameHeadBytes + readUint32(bytes, at + 4) + readUint32(bytes, at + 8);
  return end <= bytes.length ? end : undefined;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Resolves when the system has taken the bytes: a slow reader holds the sender back. */
function written(to: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
