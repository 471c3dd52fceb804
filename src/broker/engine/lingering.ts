/**
 * Messages that were cancelled in somebody's hands. Final, and yet their holders' until those have
 * settled: a handler that is still cleaning up counts, and the next message of its key waits for it.
 */
import type { Core } from "./core.ts";
import type { Queue } from "./queue.ts";
import type { Holder, Slot } from "./slot.ts";

/** The handler of the attempt has ended. */
export function endLingering(core: Core, queue: Queue, fence: number): void {
  const slot = queue.active?.lingering.delete(fence);
  if (slot !== undefined) leave(core, queue, slot);
}

/** Their holder has gone. */
export function endLingeringOf(core: Core, queue: Queue, holder: Holder): void {
  for (const slot of queue.active?.lingering.values() ?? []) {
    if (slot.holder === holder) endLingering(core, queue, slot.fence);
  }
}

function leave(core: Core, queue: Queue, slot: Slot): void {
  const { key, position, holder } = slot;
  holder?.letGo();
  slot.holder = undefined;
  if (key !== undefined) queue.active?.lane(slot.lane).release(key, position);
  core.wake(queue);
}
