/** Receivers come with claims, and go with messages in their hands. */
import { isColloquyError } from "../../errors.ts";
import { onAbort } from "../../runtime/abort.ts";
import type { Claim, ReceiveOptions } from "../broker.ts";
import { abandon } from "./attempts.ts";
import type { Core } from "./core.ts";
import { brief, isObserved, notYours } from "./follow.ts";
import type { Group, Operation } from "./group.ts";
import { endWithdrawals, enter, letGo } from "./life.ts";
import { endLingeringOf } from "./lingering.ts";
import { openNumber } from "./questions.ts";
import { Queue } from "./queue.ts";
import { Receiver, type ReceiverEnd, type ReceiverOwner } from "./receiver.ts";
import { attemptOf } from "./settle.ts";
import type { Slot } from "./slot.ts";

/** The receivers of one connection. */
export class Receivers implements ReceiverOwner {
  readonly #core: Core;
  /** With what takes each off its signal. */
  readonly #open = new Map<Receiver, () => void>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Begins to receive, until `signal` aborts. The queue need not be declared yet. */
  open(name: string, options: ReceiveOptions, signal: AbortSignal): Receiver {
    const receiver = new Receiver(this, name, options);
    if (signal.aborted) {
      receiver.end("release");
      return receiver;
    }
    const { directory } = this.#core;
    let queue = directory.named(name);
    if (queue === undefined) {
      queue = new Queue(name, this.#core);
      directory.add(queue);
    }
    queue.receivers.push(receiver);
    this.#open.set(receiver, () => {});
    try {
      for (const claim of options.claims ?? []) takeClaim(this.#core, queue, receiver, claim);
    } catch (error) {
      receiver.fail(error);
      return receiver;
    }
    this.#core.wake(queue);
    const forget = onAbort(signal, () => receiver.end(endOf(signal)));
    if (!receiver.ended) this.#open.set(receiver, forget);
    return receiver;
  }

  ended(receiver: Receiver, end: ReceiverEnd): void {
    this.#open.get(receiver)?.();
    this.#open.delete(receiver);
    const queue = this.#core.directory.named(receiver.queue);
    if (queue !== undefined) closeReceiver(this.#core, queue, receiver, end);
  }

  hasRoom({ queue: name }: Receiver): void {
    const queue = this.#core.directory.named(name);
    if (queue !== undefined) this.#core.wake(queue);
  }

  /** The connection ends: in order, or because the engine failed, which readers are told. */
  close(reason: unknown): void {
    for (const receiver of [...this.#open.keys()]) {
      if (isColloquyError(reason, "CLOSED")) receiver.end("release");
      else receiver.fail(reason);
    }
  }
}

/** Who aborts with AGENT_UNREACHABLE says that the receiver vanished. */
function endOf(signal: AbortSignal): ReceiverEnd {
  return isColloquyError(signal.reason, "AGENT_UNREACHABLE") ? "crash" : "release";
}

/** The receiver goes on holding the message, if nobody was offered it since. */
function takeClaim(core: Core, queue: Queue, receiver: Receiver, claim: Claim): void {
  const { position, fence } = claim;
  if (claim.queue !== queue.name || queue.number === 0) return;
  const lingering = queue.active?.lingering.get(fence);
  if (lingering !== undefined) {
    lingering.holder?.letGo();
    lingering.holder = receiver;
    receiver.takeUp();
  }
  const slot = attemptOf(core, queue, position, fence);
  const active = queue.active;
  if (slot === undefined || active === undefined) return receiver.notify(notYours(claim));
  if (slot.state === "held") letGo(slot);
  active.lane(slot.lane).take(slot);
  slot.fence = fence;
  active.held.set(position, slot);
  receiver.hold(slot);
  if (slot.story?.phase === "waiting-input") receiver.letGo();
  else if (openNumber(core.questions.of(queue.number, position)) > 0) enter(slot, "waiting-input");
  if (slot.story !== undefined || isObserved(core, queue)) brief(core, queue, slot);
}

function closeReceiver(core: Core, queue: Queue, receiver: Receiver, end: ReceiverEnd): void {
  const { directory } = core;
  const index = queue.receivers.indexOf(receiver);
  if (index >= 0) queue.receivers.splice(index, 1);
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
    endLingeringOf(core, queue, receiver);
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

  /** Without a record, and so without a count of what happened, they still come back: but at most once. */
  failed(): void {
    for (const slot of this.#slots) {
      if (!this.#stillHeld(slot)) continue;
      if (slot.taken) lose(this.#queue, slot);
      else putBack(this.#queue, slot);
    }
    this.#core.changed(this.#queue);
  }

  /** Not settled, and not claimed by another receiver since. */
  #stillHeld(slot: Slot): boolean {
    return slot.state === "held" && slot.holder === this.#receiver;
  }
}

/** Final in storage since before it was offered, and nobody will say what became of it. */
function lose(queue: Queue, slot: Slot): void {
  const { active, tracker } = queue;
  const { position, key } = slot;
  slot.state = "final";
  slot.holder = undefined;
  tracker?.note(position, { state: "unknown" });
  if (active === undefined) return;
  const lane = active.lane(slot.lane);
  active.held.delete(position);
  lane.forget(slot);
  if (key !== undefined) lane.release(key, position);
  if (slot.story !== undefined) endWithdrawals(slot, "unknown");
}

function putBack(queue: Queue, slot: Slot): void {
  const { active } = queue;
  if (active === undefined) return;
  active.held.delete(slot.position);
  const { story } = slot;
  slot.holder = undefined;
  slot.story = undefined;
  active.lane(slot.lane).putBack(slot);
  for (const { again } of story?.withdrawals ?? []) again();
}
