/**
 * The latest replies this process sent to others, so that one lost with a dying hub can be sent
 * again when its requester asks. Bounded by age and bytes: an older reply is forgotten, and its
 * requester learns that the outcome is unknown.
 */
import type { Clock } from "../runtime/clock.ts";
import { RingBuffer } from "../runtime/ring-buffer.ts";

export interface SentReply {
  /** Id of the request it answers. */
  readonly id: string;
  readonly topic: string;
  readonly frame: Uint8Array;
}

interface Kept extends SentReply {
  readonly untilMs: number;
}

const keptMs = 30_000;
const keptBytesMax = 8 * 2 ** 20;

export class ReplyRing {
  readonly #clock: Clock;
  readonly #replies = new RingBuffer<Kept>();
  #bytes = 0;
  /** When the youngest reply that is no longer here was sent. */
  #forgottenAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(reply: SentReply): void {
    const nowMs = this.#clock.monotonicMs();
    this.#replies.push({ ...reply, untilMs: nowMs + keptMs });
    this.#bytes += reply.frame.length;
    this.#trim(nowMs);
  }

  /** Looks through all: asked only after a reconnect. */
  find(id: string): SentReply | undefined {
    for (const reply of this.#replies) if (reply.id === id) return reply;
    return undefined;
  }

  /** Milliseconds back to which no reply is missing. */
  completeForMs(): number {
    return this.#clock.monotonicMs() - this.#forgottenAtMs;
  }

  #trim(nowMs: number): void {
    for (let oldest = this.#replies.peek(); oldest !== undefined; oldest = this.#replies.peek()) {
      if (this.#bytes <= keptBytesMax && oldest.untilMs > nowMs) return;
      this.#replies.shift();
      this.#bytes -= oldest.frame.length;
      this.#forgottenAtMs = oldest.untilMs - keptMs;
    }
  }
}
