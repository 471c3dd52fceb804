/**
 * The sending end of a link that carries frames. What is written within one turn leaves in one chunk;
 * a burst leaves in chunks of a size at which two processes work at the same time instead of taking
 * turns. Control frames pass data that waits for a slow reader.
 */
import { FrameWriter } from "../message/frame-writer.ts";
import type { Clock } from "../runtime/clock.ts";
import { Deferred } from "../runtime/deferred.ts";
import type { Link } from "./link.ts";

/** A chunk leaves at once when it has grown to this. */
const chunkBytes = 16 * 1024;

export class FrameOutput {
  /** Written to by whoever has a frame to send; `written()` follows. */
  readonly data: FrameWriter = new FrameWriter();
  readonly control: FrameWriter = new FrameWriter();
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Of control frames that passed what waits: they wait in the link. */
  #passedBytes = 0;
  #sentBytes = 0;
  #scheduled = false;
  #blocked = false;
  #progress: Deferred | undefined;

  constructor(link: Link, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  /** Bytes that the link has taken so far. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Bytes that a slow reader keeps waiting; what the link held before it said so is not counted. */
  get backlogBytes(): number {
    return this.#waitingBytes + this.#passedBytes;
  }

  /** Resolves once less than this waits, or the link has ended. */
  async below(bytes: number): Promise<void> {
    while (this.backlogBytes >= bytes) await this.#step();
  }

  /** Resolves once nothing waits here any more, or the link has ended. */
  async drained(): Promise<void> {
    while (this.#blocked) await this.#step();
  }

  /** Says that frames were written. They leave at the end of this turn at the latest, those of control first. */
  written(): void {
    if (this.data.length >= chunkBytes) this.flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.defer(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  /** Sends what was written, without waiting for the end of the turn. */
  flush(): void {
    if (this.control.length > 0) this.#pass(this.control.take());
    if (this.data.length > 0) this.#take();
  }

  #pass(chunk: Uint8Array): void {
    if (this.#blocked) this.#passedBytes += chunk.length;
    if (!this.#send(chunk) && !this.#blocked) this.#block();
    if (this.#link.idle === true) this.control.rewind();
  }

  #take(): void {
    const chunk = this.data.take();
    if (!this.#blocked) {
      if (!this.#send(chunk)) this.#block();
      else if (this.#link.idle === true) this.data.rewind();
      return;
    }
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
  }

  #send(chunk: Uint8Array): boolean {
    this.#sentBytes += chunk.length;
    return this.#link.send(chunk);
  }

  /** Resolves when the link has taken some of what waits. */
  #step(): Promise<void> {
    this.#progress ??= new Deferred();
    return this.#progress.promise;
  }

  #block(): void {
    this.#blocked = true;
    void this.#link.drained().then(() => this.#resume());
  }

  #resume(): void {
    this.#blocked = false;
    this.#passedBytes = 0;
    let sent = 0;
    for (const chunk of this.#waiting) {
      sent++;
      this.#waitingBytes -= chunk.length;
      if (this.#send(chunk)) continue;
      this.#block();
      break;
    }
    this.#waiting.splice(0, sent);
    this.#progress?.resolve();
    this.#progress = undefined;
  }
}
