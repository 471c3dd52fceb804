/** What suspects.ts writes down, done: messages are counted against, and written down before an offer. */
import { crash } from "./attempts.ts";
import type { Core } from "./core.ts";
import { brief, isObserved } from "./follow.ts";
import type { Group, Operation } from "./group.ts";
import type { Queue } from "./queue.ts";
import type { Receiver } from "./receiver.ts";
import { unofferedAt } from "./settle.ts";
import type { Slot } from "./slot.ts";

/** Until what could not be written down is tried again. */
const retryMs = 1_000;

/** Nobody has claimed these: the process died with them. */
export class Accuse implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queue: Queue;
  readonly #positions: readonly number[];

  constructor(core: Core, queue: Queue, positions: readonly number[]) {
    this.#core = core;
    this.#queue = queue;
    this.#positions = positions;
    this.messages = positions.length;
  }

  decide(group: Group): void {
    const queue = this.#queue;
    for (const position of this.#positions) {
      if (queue.number === 0 || queue.active?.held.has(position) === true) continue;
      const slot = unofferedAt(this.#core, queue, position);
      if (slot === undefined) continue;
      slot.fence = slot.history.fence;
      crash(this.#core, group, queue, slot, slot.history.attempts.crashes === 0 ? 2 : 1);
    }
  }

  committed(): void {}

  /** Uncounted, they are offered again. */
  failed(): void {}
}

/** Writes messages down, and then offers them. */
export class WriteDown implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queue: Queue;
  readonly #offers: readonly { readonly slot: Slot; readonly receiver: Receiver }[];

  constructor(
    core: Core,
    queue: Queue,
    offers: readonly { readonly slot: Slot; readonly receiver: Receiver }[],
  ) {
    this.#core = core;
    this.#queue = queue;
    this.#offers = offers;
    this.messages = offers.length;
  }

  decide(group: Group): void {
    const { number, suspects } = this.#queue;
    for (const { slot, receiver } of this.#offers) {
      if (slot.state !== "ending" || receiver.ended || number === 0) continue;
      suspects?.add(group, number, slot.position);
    }
  }

  committed(): void {
    const core = this.#core;
    const queue = this.#queue;
    const offered: Slot[] = [];
    for (const { slot, receiver } of this.#offers) {
      receiver.reserve(-1);
      if (slot.state !== "ending") continue;
      if (receiver.ended || queue.suspects?.has(slot.position) !== true) this.#putBack(slot);
      else {
        slot.fence = core.serials.next();
        receiver.lease(slot);
        offered.push(slot);
      }
    }
    for (const { receiver } of this.#offers) receiver.flush();
    if (!isObserved(core, queue)) return;
    for (const slot of offered) if (slot.state === "held") brief(core, queue, slot);
  }

  failed(): void {
    for (const { slot, receiver } of this.#offers) {
      receiver.reserve(-1);
      if (slot.state === "ending") this.#putBack(slot);
    }
    this.#core.clock.setTimer(retryMs, () => this.#core.wake(this.#queue));
  }

  #putBack(slot: Slot): void {
    const { active } = this.#queue;
    active?.held.delete(slot.position);
    active?.lane(slot.lane).putBack(slot);
  }
}
