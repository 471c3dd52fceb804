/**
 * What is known in memory about which of one queue's messages are final, for those who ask. It begins
 * when the first one asks, because most queues have nobody who does.
 */
import type { MessageState } from "../broker.ts";

/** Final messages remembered of one queue; older ones are looked up. */
const finalsMax = 4_096;

/** "done" without a result, or to be looked up among the outcomes. */
export type Final = "done" | "recorded";

export class Tracker {
  /** Everything that became final from this position on was noted here. */
  readonly #from: number;
  readonly #finals = new Map<number, Final>();
  readonly #waiting = new Map<number, Set<(state: MessageState) => void>>();
  /** The highest position that was given up. */
  #forgotten = 0;

  /** @param from - the position that the next message will get. */
  constructor(from: number) {
    this.#from = from;
  }

  /** Nobody waits. */
  get idle(): boolean {
    return this.#waiting.size === 0;
  }

  final(position: number): Final | undefined {
    return this.#finals.get(position);
  }

  /** Whether a message that is not final here is not final at all. */
  covers(position: number): boolean {
    return position >= this.#from && position > this.#forgotten;
  }

  note(position: number, state: MessageState): void {
    const plain = state.state === "done" && state.result === undefined;
    this.#finals.set(position, plain ? "done" : "recorded");
    if (this.#finals.size > finalsMax) this.#forgetOldest();
    const waiting = this.#waiting.get(position);
    if (waiting === undefined) return;
    this.#waiting.delete(position);
    for (const tell of waiting) tell(state);
  }

  /** @returns takes the call back. */
  wait(position: number, tell: (state: MessageState) => void): () => void {
    let waiting = this.#waiting.get(position);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(position, waiting);
    }
    waiting.add(tell);
    return () => {
      if (waiting.delete(tell) && waiting.size === 0 && this.#waiting.get(position) === waiting) {
        this.#waiting.delete(position);
      }
    };
  }

  /** Tells everybody who waits; the queue was removed. */
  end(state: MessageState): void {
    for (const waiting of this.#waiting.values()) for (const tell of waiting) tell(state);
    this.#waiting.clear();
  }

  #forgetOldest(): void {
    for (const position of this.#finals.keys()) {
      this.#finals.delete(position);
      if (position > this.#forgotten) this.#forgotten = position;
      return;
    }
  }
}
