/**
 * Dispatch: after a group, what may be offered goes to receivers that have room. Messages that expired
 * are made final instead, and at-most-once messages are made final first; both in a group of their own.
 */
import type { Clock } from "../../runtime/clock.ts";
import { expiredState, finish } from "./attempts.ts";
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import type { ActiveQueue, Queue } from "./queue.ts";
import type { Receiver } from "./receiver.ts";
import type { Slot } from "./slot.ts";

/** Messages made final on the way to others, in one go. */
const aheadMax = 1_024;
/** Until what could not be committed is tried again. */
const retryMs = 1_000;

interface Taken {
  readonly slot: Slot;
  readonly receiver: Receiver;
}

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
  #deferred = false;
  /** Empty queues with receivers, looked at again after `restMs`. */
  #empty: Queue[] = [];

  constructor({ clock, restMs = 1_000 }: DispatcherOptions) {
    this.#clock = clock;
    this.#restMs = restMs;
  }

  /** From now on it dispatches. @param graceMs - how long what was there before is kept back. */
  start(core: Core, graceMs: number): void {
    this.#core = core;
    if (graceMs === 0) return;
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
        for (const receiver of queue.receivers) receiver.fail(error);
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
    const expired: Slot[] = [];
    const taken: Taken[] = [];
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
      } else {
        slot.fence = core.serials.next();
        receiver.lease(slot);
      }
      if (expired.length + taken.length >= aheadMax) break;
    }
    for (const receiver of queue.receivers) receiver.flush();
    if (expired.length > 0) core.groups.stage(new Expire(core, queue, expired, this));
    if (taken.length > 0) core.groups.stage(new Take(core, queue, taken, this));
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
    this.run();
  }
}

/** What expired becomes final. */
class Expire implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queue: Queue;
  readonly #slots: readonly Slot[];
  readonly #dispatcher: Dispatcher;

  constructor(core: Core, queue: Queue, slots: readonly Slot[], dispatcher: Dispatcher) {
    this.#core = core;
    this.#queue = queue;
    this.#slots = slots;
    this.#dispatcher = dispatcher;
    this.messages = slots.length;
  }

  decide(group: Group): void {
    for (const slot of this.#slots) {
      if (slot.state === "ending") finish(this.#core, group, this.#queue, slot, expiredState);
    }
  }

  committed(): void {}

  failed(): void {
    putBack(this.#queue, this.#slots);
    this.#core.clock.setTimer(retryMs, () => this.#dispatcher.soon(this.#queue));
  }
}

/** At most once: what is about to be offered becomes final first. */
class Take implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queue: Queue;
  readonly #taken: readonly Taken[];
  readonly #dispatcher: Dispatcher;

  constructor(core: Core, queue: Queue, taken: readonly Taken[], dispatcher: Dispatcher) {
    this.#core = core;
    this.#queue = queue;
    this.#taken = taken;
    this.#dispatcher = dispatcher;
    this.messages = taken.length;
  }

  decide(group: Group): void {
    const { changes, outcomes } = this.#core;
    for (const { slot, receiver } of this.#taken) {
      if (slot.state !== "ending" || receiver.ended) continue;
      changes.of(this.#queue, group).take(slot);
      // One that came back has its record already.
      if (slot.history.fence === 0) outcomes.recordTaken(group, this.#queue.number, slot.position);
    }
  }

  committed(): void {
    const untouched: Slot[] = [];
    for (const { slot, receiver } of this.#taken) {
      receiver.reserve(-1);
      if (!slot.taken) untouched.push(slot);
      else {
        slot.fence = this.#core.serials.next();
        receiver.lease(slot);
      }
    }
    for (const { receiver } of this.#taken) receiver.flush();
    putBack(this.#queue, untouched);
  }

  failed(): void {
    for (const { receiver } of this.#taken) receiver.reserve(-1);
    putBack(
      this.#queue,
      this.#taken.map(({ slot }) => slot),
    );
    this.#core.clock.setTimer(retryMs, () => this.#dispatcher.soon(this.#queue));
  }
}

function putBack(queue: Queue, slots: readonly Slot[]): void {
  const { active } = queue;
  if (active === undefined) return;
  for (const slot of slots) {
    if (slot.state !== "ending") continue;
    active.held.delete(slot.position);
    active.lane(slot.lane).putBack(slot);
  }
}
