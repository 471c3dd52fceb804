/**
 * Dispatch: after a group, what may be offered goes to receivers that have room. Messages that expired
 * are made final instead, and at-most-once messages are made final first; both in a group of their own.
 */
import type { Clock } from "../../runtime/clock.ts";
import { Expire, Take, type Taken } from "./ahead.ts";
import type { Core } from "./core.ts";
import { brief, isObserved } from "./follow.ts";
import type { ActiveQueue, Queue } from "./queue.ts";
import type { Receiver } from "./receiver.ts";
import type { Slot } from "./slot.ts";
import { Accuse, WriteDown } from "./suspicion.ts";

/** Messages made final on the way to others, in one go. */
const aheadMax = 1_024;

export interface DispatcherOptions {
  readonly clock: Clock;
  /** Where there is nothing left for a while, memory is given back. */
  readonly restMs?: number;
}

export class Dispatcher {
  readonly #clock: Clock;
  readonly #restMs: number;
  #changed: Queue[] = [];
  #core: Core | undefined;
  /** Messages from before the opening are kept back until then, by the monotonic clock. */
  #graceEndMs = 0;
  #accused: ReadonlyMap<number, readonly number[]> = new Map();
  #deferred = false;
  /** Empty queues with receivers, looked at again after `restMs`. */
  #empty: Queue[] = [];

  constructor({ clock, restMs = 1_000 }: DispatcherOptions) {
    this.#clock = clock;
    this.#restMs = restMs;
  }

  /**
   * From now on it dispatches.
   *
   * @param graceMs - how long what was there before is kept back.
   * @param accused - what is to be counted against messages that nobody claims until then.
   */
  start(core: Core, graceMs: number, accused: ReadonlyMap<number, readonly number[]>): void {
    this.#core = core;
    this.#accused = accused;
    if (graceMs === 0) return this.#accuse(core);
    this.#graceEndMs = this.#clock.monotonicMs() + graceMs;
    this.#clock.setTimer(graceMs, () => this.#endGrace(core));
  }

  mark(queue: Queue): void {
    if (queue.marked) return;
    queue.marked = true;
    this.#changed.push(queue);
  }

  /** Dispatches after the input that already waits; for changes that no group makes. */
  soon(queue: Queue): void {
    this.mark(queue);
    if (this.#deferred) return;
    this.#deferred = true;
    this.#clock.defer(() => {
      this.#deferred = false;
      this.run();
    });
  }

  /** Looks at the queues that changed. */
  run(): void {
    const core = this.#core;
    if (core === undefined || this.#changed.length === 0) return;
    const queues = this.#changed;
    this.#changed = [];
    const nowMs = core.clock.nowMs();
    for (const queue of queues) {
      queue.marked = false;
      this.#look(core, queue, nowMs);
    }
    core.serials.reserve(core.groups);
  }

  #look(core: Core, queue: Queue, nowMs: number): void {
    if (queue.receivers.length === 0 || queue.number === 0) {
      queue.rest();
    } else if (queue.live > 0) {
      try {
        this.#dispatch(core, queue, queue.activate(nowMs), nowMs);
      } catch (error) {
        // A row that is damaged: those who receive from this queue have to know, and nobody else.
        for (const receiver of [...queue.receivers]) receiver.fail(error);
      }
    } else if (queue.active !== undefined && !queue.resting) {
      queue.resting = true;
      this.#empty.push(queue);
      if (this.#empty.length === 1) this.#clock.setTimer(this.#restMs, () => this.#restEmpty());
    }
  }

  #restEmpty(): void {
    const queues = this.#empty;
    this.#empty = [];
    for (const queue of queues) {
      queue.resting = false;
      queue.restWhenEmpty();
    }
  }

  #dispatch(core: Core, queue: Queue, active: ActiveQueue, nowMs: number): void {
    active.resume();
    const leased: Receiver[] = [];
    const expired: Slot[] = [];
    const taken: Taken[] = [];
    const suspected: Taken[] = [];
    const watching = queue.suspects?.watching === true;
    const observed: Slot[] | undefined = isObserved(core, queue) ? [] : undefined;
    for (;;) {
      const receiver = queue.nextReceiver();
      const slot = receiver === undefined ? undefined : this.#next(core, queue, active, nowMs);
      if (receiver === undefined || slot === undefined) break;
      active.held.set(slot.position, slot);
      if (slot.expiresAtMs !== 0 && slot.expiresAtMs <= nowMs) {
        slot.state = "ending";
        expired.push(slot);
      } else if (slot.atMostOnce) {
        slot.state = "ending";
        receiver.reserve(1);
        taken.push({ slot, receiver });
      } else if (watching && slot.position < queue.recovered) {
        slot.state = "ending";
        receiver.reserve(1);
        suspected.push({ slot, receiver });
      } else {
        slot.fence = core.serials.next();
        if (receiver.lease(slot)) leased.push(receiver);
        observed?.push(slot);
      }
      if (expired.length + taken.length + suspected.length >= aheadMax) break;
    }
    for (const receiver of leased) receiver.flush();
    if (observed !== undefined) briefHeld(core, queue, observed);
    stageAhead(core, queue, { expired, taken, suspected });
    if (active.unfinished) this.soon(queue);
  }

  /** The next message that is not kept back. */
  #next(core: Core, queue: Queue, active: ActiveQueue, nowMs: number): Slot | undefined {
    const { withheld } = active;
    if (withheld.length >= core.limits.windowMessagesMax) return undefined;
    let slot = active.next(nowMs);
    if (queue.recovered === 0 || this.#graceEndMs === 0) return slot;
    while (slot !== undefined && slot.position < queue.recovered) {
      slot.state = "withheld";
      withheld.push(slot);
      if (withheld.length >= core.limits.windowMessagesMax) return undefined;
      slot = active.next(nowMs);
    }
    return slot;
  }

  #endGrace(core: Core): void {
    this.#graceEndMs = 0;
    for (const queue of core.directory.all()) {
      const { active } = queue;
      if (active === undefined) continue;
      for (const slot of active.withheld.splice(0)) {
        if (slot.state === "withheld") active.lane(slot.lane).putBack(slot);
      }
      this.mark(queue);
    }
    this.#accuse(core);
    // What is counted may end a message: it is not offered before.
    if (!core.groups.busy) this.run();
  }

  #accuse(core: Core): void {
    for (const [queueNumber, positions] of this.#accused) {
      const queue = core.directory.numbered(queueNumber);
      if (queue !== undefined) core.groups.stage(new Accuse(core, queue, positions));
    }
    this.#accused = new Map();
  }
}

/** What is written before it is offered, or instead. */
interface Ahead {
  readonly expired: readonly Slot[];
  readonly taken: readonly Taken[];
  readonly suspected: readonly Taken[];
}

/** Tells the holders of those that are observed so; a flush may have ended some of them. */
function briefHeld(core: Core, queue: Queue, observed: readonly Slot[]): void {
  for (const slot of observed) if (slot.state === "held") brief(core, queue, slot);
}

function stageAhead(core: Core, queue: Queue, { expired, taken, suspected }: Ahead): void {
  if (expired.length > 0) core.groups.stage(new Expire(core, queue, expired));
  if (taken.length > 0) core.groups.stage(new Take(core, queue, taken));
  if (suspected.length > 0) core.groups.stage(new WriteDown(core, queue, suspected));
}
