/**
 * Finds the frames in a run of chunks that are cut anywhere. A frame that lies inside one chunk is
 * handed on where it lies; one that spans chunks is put together, in memory that grows with what has
 * arrived and not with what was announced.
 */
import { checkFrameHead, defaultFrameLimits, Frame, type FrameLimits } from "./frame.ts";
import { frameHeadBytes } from "./limits.ts";

/** First bytes set aside for a frame that spans chunks. */
const partBytes = 1_024;

/** Fewer bytes are copied sooner one by one. */
const copyBytesMin = 32;

export class FrameParser {
  /** For the frames that have not begun yet; a session widens them once it knows its peer. */
  limits: FrameLimits;
  /** The frame begun in earlier chunks: its first `#partLength` bytes. */
  #part: Uint8Array = new Uint8Array(0);
  #partLength = 0;
  /** Length of that frame; 0 as long as its head is incomplete. */
  #wholeLength = 0;
  #failure: unknown;
  #failed = false;
  #paused = false;
  /** What `pause` has left of a chunk. */
  #rest: Uint8Array | undefined;

  constructor(limits: FrameLimits = defaultFrameLimits) {
    this.limits = limits;
  }

  /** Bytes kept of a frame whose end has not arrived. Not 0 when a link ends: the last frame was cut. */
  get partialBytes(): number {
    return this.#partLength;
  }

  /** From `pause` until `resume`: nothing may be pushed meanwhile. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Called from within `receive`: hands on no more frames of this chunk until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  /** Goes on behind the frame at which it was paused. @throws like `push`. */
  resume(receive: (frame: Frame) => void): void {
    const rest = this.#rest;
    this.#paused = false;
    this.#rest = undefined;
    if (rest !== undefined) this.push(rest, receive);
  }

  /**
   * Calls `receive` with each frame that is complete, in order. The frames keep `chunk` alive, which
   * must not change afterwards.
   *
   * @throws like `checkFrameHead`, as soon as a frame's head is there and after the frames before it
   *   were received; and the same error again on every later call.
   */
  push(chunk: Uint8Array, receive: (frame: Frame) => void): void {
    if (this.#failed) throw this.#failure;
    try {
      const at = this.#partLength === 0 ? 0 : this.#continue(chunk, receive);
      this.#scan(chunk, at, receive);
    } catch (error) {
      this.#failed = true;
      this.#failure = error;
      this.#part = new Uint8Array(0);
      throw error;
    }
  }

  /** The frames that lie whole in `chunk` from `at` on; the rest is kept. */
  #scan(chunk: Uint8Array, begin: number, receive: (frame: Frame) => void): void {
    let at = begin;
    while (chunk.length - at >= frameHeadBytes) {
      if (this.#paused) {
        this.#rest = chunk.subarray(at);
        return;
      }
      const length = checkFrameHead(chunk, at, this.limits);
      if (chunk.length - at < length) {
        this.#wholeLength = length;
        break;
      }
      const frame = new Frame(chunk, at);
      at += length;
      receive(frame);
    }
    if (at < chunk.length) this.#keep(chunk, at, chunk.length);
  }

  /** Adds to the frame begun earlier. @returns where in `chunk` the next frame begins. */
  #continue(chunk: Uint8Array, receive: (frame: Frame) => void): number {
    let at = 0;
    if (this.#wholeLength === 0) {
      at = Math.min(frameHeadBytes - this.#partLength, chunk.length);
      this.#keep(chunk, 0, at);
      if (this.#partLength < frameHeadBytes) return at;
      this.#wholeLength = checkFrameHead(this.#part, 0, this.limits);
    }
    const end = Math.min(at + this.#wholeLength - this.#partLength, chunk.length);
    this.#keep(chunk, at, end);
    if (this.#partLength === this.#wholeLength) {
      const frame = new Frame(this.#part, 0);
      this.#part = new Uint8Array(0);
      this.#partLength = 0;
      this.#wholeLength = 0;
      receive(frame);
    }
    return end;
  }

  /** Doubles the memory, so that many small chunks cost no more than linear time. */
  #keep(chunk: Uint8Array, start: number, end: number): void {
    const length = this.#partLength + end - start;
    if (length > this.#part.length) {
      const wanted = Math.max(partBytes, length, this.#part.length * 2);
      const known = this.#wholeLength === 0 ? wanted : Math.min(wanted, this.#wholeLength);
      const grown = new Uint8Array(known);
      grown.set(this.#part.subarray(0, this.#partLength));
      this.#part = grown;
    }
    if (end - start < copyBytesMin) {
      for (let at = start; at < end; at++) {
        this.#part[this.#partLength + at - start] = chunk[at] as number;
      }
    } else {
      this.#part.set(chunk.subarray(start, end), this.#partLength);
    }
    this.#partLength = length;
  }
}
