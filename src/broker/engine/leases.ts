/** Receivers come with claims, and go with messages in their hands. */

import type { Claim } from "../broker.ts";
import { abandon } from "./attempts.ts";
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { Queue } from "./queue.ts";
import { Receiver, type ReceiverEnd } from "./receiver.ts";
import { attemptOf } from "./settle.ts";
import type { Slot } from "./slot.ts";

export interface ReceiverRequest {
  readonly queue: string;
  readonly credit: number;
  readonly consumer: string;
  readonly claims: readonly Claim[];
  /** Called once, when the receiver has ended. */
  readonly onEnd: (receiver: Receiver) => void;
}

/** Begins to receive. The queue need not be declared yet. */
export function openReceiver(core: Core, request: ReceiverRequest): Receiver {
  const { directory } = core;
  const { queue: name, credit, consumer } = request;
  let queue = directory.named(name);
  if (queue === undefined) {
    queue = new Queue(name, core);
    directory.add(queue);
  }
  const opened = queue;
  const onEnd = (receiver: Receiver, end: ReceiverEnd) => {
    closeReceiver(core, opened, receiver, end);
    request.onEnd(receiver);
  };
  const onRoom = () => core.wake(opened);
  const receiver = new Receiver({ queue: name, credit, consumer, onEnd, onRoom });
  opened.receivers = [...opened.receivers, receiver];
  try {
    for (const claim of request.claims) takeClaim(core, opened, receiver, claim);
  } catch (error) {
    receiver.fail(error);
  }
  core.wake(opened);
  return receiver;
}

/** The receiver goes on holding the message, if nobody was offered it since. */
function takeClaim(core: Core, queue: Queue, receiver: Receiver, claim: Claim): void {
  const { position, fence } = claim;
  if (claim.queue !== queue.name || queue.number === 0) return;
  const slot = attemptOf(core, queue, position, fence);
  const active = queue.active;
  if (slot === undefined || active === undefined) return;
  const lane = active.lane(slot.lane);
  if (slot.state === "held") slot.holder?.letGo();
  if (slot.state === "waiting") lane.leave(slot);
  lane.lead(slot);
  slot.fence = fence;
  active.held.set(position, slot);
  receiver.hold(slot);
}

function closeReceiver(core: Core, queue: Queue, receiver: Receiver, end: ReceiverEnd): void {
  const { directory } = core;
  queue.receivers = queue.receivers.filter((other) => other !== receiver);
  const { active } = queue;
  if (active !== undefined) {
    const untaken = new Set(receiver.untaken);
    const held: Slot[] = [];
    for (const slot of active.held.values()) {
      if (slot.holder !== receiver || slot.state !== "held") continue;
      // What nobody saw goes back as if it had not been offered.
      if (untaken.has(slot.position) && !slot.taken) putBack(queue, slot);
      else held.push(slot);
    }
    if (held.length > 0 && !core.handingOver()) {
      core.groups.stage(new ComeBack(core, queue, receiver, held, end));
    }
  }
  if (queue.number === 0 && queue.receivers.length === 0) directory.remove(queue, 0);
  core.wake(queue);
}

/** Messages come back from a receiver that has ended. */
class ComeBack implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queue: Queue;
  readonly #receiver: Receiver;
  readonly #slots: readonly Slot[];
  readonly #end: ReceiverEnd;

  constructor(
    core: Core,
    queue: Queue,
    receiver: Receiver,
    slots: readonly Slot[],
    end: ReceiverEnd,
  ) {
    this.#core = core;
    this.#queue = queue;
    this.#receiver = receiver;
    this.#slots = slots;
    this.#end = end;
    this.messages = slots.length;
  }

  decide(group: Group): void {
    for (const slot of this.#slots) {
      if (this.#stillHeld(slot)) abandon(this.#core, group, this.#queue, slot, this.#end);
    }
  }

  committed(): void {}

  /** Without a record, and so without a count of what happened, they still come back. */
  failed(): void {
    for (const slot of this.#slots) if (this.#stillHeld(slot)) putBack(this.#queue, slot);
    this.#core.changed(this.#queue);
  }

  /** Not settled, and not claimed by another receiver since. */
  #stillHeld(slot: Slot): boolean {
    return slot.state === "held" && slot.holder === this.#receiver;
  }
}

function putBack(queue: Queue, slot: Slot): void {
  const { active } = queue;
  if (active === undefined) return;
  active.held.delete(slot.position);
  slot.holder = undefined;
  active.lane(slot.lane).putBack(slot);
}
