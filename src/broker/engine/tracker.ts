/**
 * What is known in memory about which of one queue's messages are final, for those who ask. It begins
 * when the first one asks, because most queues have nobody who does.
 */
import { HashTable } from "../../runtime/hash-table.ts";
import type { MessageState } from "../broker.ts";

/** Final messages remembered of one queue, powers of two; older ones are looked up. */
const placesMin = 64;
const placesMax = 4_096;

/** "done" without a result, or to be looked up among the outcomes. */
export type Final = "done" | "recorded";

/** One who waits. */
export type Tell = (state: MessageState) => void;

export class Tracker {
  /** Everything that became final from this position on was noted here. */
  readonly #from: number;
  /** Each position has one place, its own modulo their number; negative where it has a record. */
  #finals = new Float64Array(placesMin);
  /** The highest position that lost its place to another. */
  #forgotten = 0;
  /** Mostly one for each message. */
  readonly #waiting = new HashTable<number, Tell | readonly Tell[]>();
  /** Told of changes before the end, too. */
  readonly #followers = new Map<number, Set<Tell>>();

  /** @param from - the position that the next message will get. */
  constructor(from: number) {
    this.#from = from;
  }

  /** Nobody waits. */
  get idle(): boolean {
    return this.#waiting.size === 0 && this.#followers.size === 0;
  }

  /** Somebody follows a message of the queue. */
  get following(): boolean {
    return this.#followers.size > 0;
  }

  follows(position: number): boolean {
    return this.#followers.has(position);
  }

  /** @returns takes the call back. */
  follow(position: number, tell: Tell): () => void {
    const followers = this.#followers.get(position) ?? new Set();
    this.#followers.set(position, followers.add(tell));
    return () => {
      followers.delete(tell);
      if (followers.size === 0) this.#followers.delete(position);
    };
  }

  /** The message has changed, and is not final. */
  tell(position: number, state: MessageState): void {
    for (const tell of [...(this.#followers.get(position) ?? [])]) tell(state);
  }

  final(position: number): Final | undefined {
    const there = this.#finals[position % this.#finals.length];
    if (there === position) return "done";
    return there === -position ? "recorded" : undefined;
  }

  /** Whether a message that is not final here is not final at all. */
  covers(position: number): boolean {
    return position >= this.#from && position > this.#forgotten;
  }

  note(position: number, state: MessageState): void {
    const plain = state.state === "done" && state.result === undefined;
    this.#place(plain ? position : -position);
    const waiting = this.#waiting.delete(position);
    if (waiting !== undefined) tellAll(waiting, state);
  }

  /** @returns takes the call back. */
  wait(position: number, tell: Tell): () => void {
    this.await(position, tell);
    return () => this.forget(position, tell);
  }

  /** As `wait`, for who comes with `forget` himself. */
  await(position: number, tell: Tell): void {
    const others = this.#waiting.get(position);
    this.#waiting.set(position, others === undefined ? tell : [...all(others), tell]);
  }

  /** Takes back a call; it may have been told. */
  forget(position: number, tell: Tell): void {
    const waiting = this.#waiting.get(position);
    if (waiting === undefined) return;
    const left = all(waiting).filter((other) => other !== tell);
    if (left.length > 0) this.#waiting.set(position, left);
    else this.#waiting.delete(position);
  }

  /** Tells everybody who waits; the queue was removed. */
  end(state: MessageState): void {
    const everybody = this.#waiting.values();
    this.#waiting.clear();
    for (const waiting of everybody) tellAll(waiting, state);
  }

  #place(final: number): void {
    const place = Math.abs(final) % this.#finals.length;
    const there = this.#finals[place] as number;
    if (there !== 0 && this.#finals.length < placesMax) {
      const finals = this.#finals;
      this.#finals = new Float64Array(2 * finals.length);
      for (const each of finals) if (each !== 0) this.#place(each);
      this.#place(final);
      return;
    }
    this.#finals[place] = final;
    this.#forgotten = Math.max(this.#forgotten, Math.abs(there));
  }
}

function all(waiting: Tell | readonly Tell[]): readonly Tell[] {
  return typeof waiting === "function" ? [waiting] : waiting;
}

function tellAll(waiting: Tell | readonly Tell[], state: MessageState): void {
  if (typeof waiting === "function") waiting(state);
  else for (const tell of waiting) tell(state);
}
