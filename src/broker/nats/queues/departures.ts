/**
 * Messages that are to be sent, and which of them may go next.
 *
 *   add ──▶ line ── nobody of its order is parked, or on its way ──▶ on its way ──▶ ended
 *             │                                                       ▲     │
 *             └── else ──▶ parked ── nobody is on its way any more ───┘     │
 *                            ▲                                              │
 *                            └── again: before those parked already ────────┘
 *
 * Who meets a server without a leader, or whose answer is lost, goes again, maybe long after others were
 * stored. So of one order, the messages with one key, only what has departed together is on its way at a
 * time: one message, or one batch. Those behind it are parked meanwhile, and hold up nothing else. Only who
 * is known to be stored need not wait, as it cannot overtake anybody. Those without an order are never
 * parked; they go again from the front of the line.
 *
 * Invariant: of one order those on their way were added before those parked, and these before those in the
 * line; in each they are in order, but for those that are stored. So they are stored in the order in which
 * they were added.
 */
import { RingBuffer } from "../../../runtime/ring-buffer.ts";

export interface Departing {
  /** Those of one order are stored in the order in which they were added. */
  readonly order: string | undefined;
}

/** Neither of them goes first for ever: who asks takes turns. */
export type Source = "line" | "parked";

/** Those of one order, while one of them is on its way or parked. */
interface Parking<Job> {
  onTheirWay: number;
  readonly jobs: RingBuffer<Job>;
  /** It is one of the `#due`. */
  isDue: boolean;
}

export class Departures<Job extends Departing> {
  readonly #added = new RingBuffer<Job>();
  /** In the line before those that were added: they were put back, or go again. */
  readonly #again = new RingBuffer<Job>();
  readonly #parkings = new Map<string, Parking<Job>>();
  /** Those with parked ones that may go, and some that were. */
  readonly #due = new RingBuffer<Parking<Job>>();

  add(job: Job): void {
    this.#added.push(job);
  }

  /** Who may go next. */
  peek(source: Source): Job | undefined {
    return this.#next(source)?.peek();
  }

  /** Takes out who may go next. It has to depart or be put back before anybody else departs or ends. */
  shift(source: Source): Job | undefined {
    return this.#next(source)?.shift();
  }

  /** How many of the order are parked. */
  parkedWith(job: Job): number {
    return this.#parkingOf(job)?.jobs.size ?? 0;
  }

  /** Another of its order, which was taken with it, has departed. */
  isHeldUp(job: Job): boolean {
    return (this.#parkingOf(job)?.onTheirWay ?? 0) > 0;
  }

  /** They were taken: before all others, in their order. */
  putBack(jobs: readonly Job[]): void {
    for (const job of jobs.toReversed()) {
      this.#place(job, true);
      this.#tend(job);
    }
  }

  departed(job: Job): void {
    if (job.order === undefined) return;
    let parking = this.#parkings.get(job.order);
    if (parking === undefined) {
      parking = { onTheirWay: 0, jobs: new RingBuffer(), isDue: false };
      this.#parkings.set(job.order, parking);
    }
    parking.onTheirWay++;
  }

  /** Nothing more is to be done for it, which has departed. */
  ended(job: Job): void {
    const parking = this.#parkingOf(job);
    if (parking === undefined) return;
    parking.onTheirWay--;
    this.#tend(job);
  }

  /**
   * It has departed, and has to go again. Of those that departed together the last is told of first.
   *
   * @param isFirst - before others that go again, also where it has no order.
   */
  again(job: Job, isFirst: boolean): void {
    this.#place(job, isFirst);
    this.ended(job);
  }

  /** @returns all that have not departed. */
  clear(): readonly Job[] {
    const parked = [...this.#parkings.values()].flatMap(({ jobs }) => [...jobs]);
    const all = [...parked, ...this.#again, ...this.#added];
    this.#parkings.clear();
    this.#due.clear();
    this.#again.clear();
    this.#added.clear();
    return all;
  }

  /** Those of which the first may go next. */
  #next(source: Source): RingBuffer<Job> | undefined {
    return source === "line" ? this.#nextInLine() : this.#nextParked();
  }

  /** Parks what is before it and must wait. */
  #nextInLine(): RingBuffer<Job> | undefined {
    for (;;) {
      const jobs = this.#again.size > 0 ? this.#again : this.#added;
      const job = jobs.peek();
      if (job === undefined) return undefined;
      const parking = this.#parkingOf(job);
      if (parking === undefined) return jobs;
      parking.jobs.push(job);
      jobs.shift();
    }
  }

  #nextParked(): RingBuffer<Job> | undefined {
    for (let due = this.#due.peek(); due !== undefined; due = this.#due.peek()) {
      if (due.onTheirWay === 0 && due.jobs.size > 0) return due.jobs;
      this.#due.shift();
      due.isDue = false;
    }
    return undefined;
  }

  #parkingOf({ order }: Job): Parking<Job> | undefined {
    return order === undefined ? undefined : this.#parkings.get(order);
  }

  /** @param isFirst - also where it has no order. */
  #place(job: Job, isFirst: boolean): void {
    const parking = this.#parkingOf(job);
    if (parking !== undefined) parking.jobs.unshift(job);
    else if (isFirst) this.#again.unshift(job);
    else this.#again.push(job);
  }

  /** Somebody of its order may go, or nobody is left. */
  #tend(job: Job): void {
    const parking = this.#parkingOf(job);
    if (parking === undefined || parking.onTheirWay > 0) return;
    if (parking.jobs.size === 0) {
      this.#parkings.delete(job.order as string);
    } else if (!parking.isDue) {
      parking.isDue = true;
      this.#due.push(parking);
    }
  }
}
