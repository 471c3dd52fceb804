/** When volatile entries end: in memory only, like the entries. */
import type { Clock, Timer } from "../../runtime/clock.ts";
import { Heap } from "../../runtime/heap.ts";
import type { Entries } from "./entries.ts";
import type { Group, GroupCommit, Operation } from "./group.ts";

interface End {
  readonly key: string;
  readonly revision: number;
  /** Wall clock, milliseconds. */
  readonly atMs: number;
}

/** The wait is cut into pieces, because the wall clock may jump. */
const waitMsMax = 1_000;

/** Ends that are kept before it is looked which of them still count. */
const sweepMin = 4_096;

export class VolatileEnds {
  readonly #clock: Clock;
  readonly #heap = new Heap<End>((a, b) => a.atMs < b.atMs);
  readonly #expire: (ends: readonly End[]) => void;
  readonly #entries: () => Entries;
  #timer: Timer | undefined;
  #sweepAt = sweepMin;
  #ended = false;

  constructor(clock: Clock, groups: () => GroupCommit, entries: () => Entries) {
    this.#clock = clock;
    this.#entries = entries;
    this.#expire = (ends) =>
      groups().stage(new Expiry(entries(), ends, () => this.#postpone(ends)));
  }

  add(key: string, revision: number, atMs: number): void {
    if (this.#heap.size >= this.#sweepAt) this.#sweep();
    const soonest = this.#heap.peek();
    this.#heap.push({ key, revision, atMs });
    if (soonest === undefined || atMs < soonest.atMs) this.#arm();
  }

  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  /** Lets go of what was written again since: with a long life it would pile up. */
  #sweep(): void {
    const entries = this.#entries();
    const current: End[] = [];
    for (let end = this.#heap.pop(); end !== undefined; end = this.#heap.pop()) {
      if (entries.isVolatile(end.key, end.revision)) current.push(end);
    }
    for (const end of current) this.#heap.push(end);
    this.#sweepAt = Math.max(sweepMin, 2 * current.length);
  }

  #arm(): void {
    this.#timer?.cancel();
    const next = this.#heap.peek();
    if (next === undefined || this.#ended) return;
    const waitMs = Math.min(waitMsMax, Math.max(0, next.atMs - this.#clock.nowMs()));
    this.#timer = this.#clock.setTimer(waitMs, () => this.#fire());
  }

  #fire(): void {
    const nowMs = this.#clock.nowMs();
    const ends: End[] = [];
    for (let next = this.#heap.peek(); next !== undefined; next = this.#heap.peek()) {
      if (next.atMs > nowMs) break;
      ends.push(next);
      this.#heap.pop();
    }
    if (ends.length > 0) this.#expire(ends);
    this.#arm();
  }

  #postpone(ends: readonly End[]): void {
    const atMs = this.#clock.nowMs() + waitMsMax;
    for (const { key, revision } of ends) this.add(key, revision, atMs);
  }
}

class Expiry implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #entries: Entries;
  readonly #ends: readonly End[];
  readonly #onFailed: () => void;

  constructor(entries: Entries, ends: readonly End[], onFailed: () => void) {
    this.#entries = entries;
    this.#ends = ends;
    this.#onFailed = onFailed;
    this.messages = ends.length;
  }

  decide(group: Group): void {
    for (const { key, revision } of this.#ends) this.#entries.expire(group, key, revision);
  }

  committed(): void {}

  failed(): void {
    this.#onFailed();
  }
}
