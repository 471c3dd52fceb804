/**
 * What a group makes final ahead of an offer: messages that have expired instead of being offered, and
 * messages sent at most once, before they are.
 */
import { expiredState, finish } from "./attempts.ts";
import type { Core } from "./core.ts";
import { brief, isObserved } from "./follow.ts";
import type { Group, Operation } from "./group.ts";
import type { Queue } from "./queue.ts";
import type { Receiver } from "./receiver.ts";
import type { Slot } from "./slot.ts";

/** Until what could not be committed is tried again. */
const retryMs = 1_000;

/** A message with the receiver that has room for it. */
export interface Taken {
  readonly slot: Slot;
  readonly receiver: Receiver;
}

/** What expired becomes final. */
export class Expire implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queue: Queue;
  readonly #slots: readonly Slot[];

  constructor(core: Core, queue: Queue, slots: readonly Slot[]) {
    this.#core = core;
    this.#queue = queue;
    this.#slots = slots;
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
    this.#core.clock.setTimer(retryMs, () => this.#core.wake(this.#queue));
  }
}

/** At most once: what is about to be offered becomes final first. */
export class Take implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queue: Queue;
  readonly #taken: readonly Taken[];

  constructor(core: Core, queue: Queue, taken: readonly Taken[]) {
    this.#core = core;
    this.#queue = queue;
    this.#taken = taken;
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
    if (isObserved(this.#core, this.#queue)) {
      for (const { slot } of this.#taken) {
        if (slot.state === "held") brief(this.#core, this.#queue, slot);
      }
    }
    putBack(this.#queue, untouched);
  }

  failed(): void {
    for (const { receiver } of this.#taken) receiver.reserve(-1);
    putBack(
      this.#queue,
      this.#taken.map(({ slot }) => slot),
    );
    this.#core.clock.setTimer(retryMs, () => this.#core.wake(this.#queue));
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
