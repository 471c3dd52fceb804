/** What happens when the time of a timer has come. */
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { dueMsOf, returnedKey, scheduledKey } from "./returned.ts";
import type { EngineTimer } from "./timers.ts";

/**
 * Scheduled messages become returned ones, messages that wait for their retry wait no longer, entries
 * end, and the rows of the timers go. That a time has come is written down: no clock that is set back
 * afterwards takes it away, when there is no timer any more.
 */
export class Due implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #timers: readonly EngineTimer[];

  constructor(core: Core, timers: readonly EngineTimer[]) {
    this.#core = core;
    this.#timers = timers;
    this.messages = timers.length;
  }

  decide(group: Group): void {
    const { storage, directory, changes, entries, timers } = this.#core;
    for (const timer of this.#timers) {
      const { target } = timer;
      timers.remove(group, timer);
      if (target.kind === "entry") {
        entries.expire(group, target.key, target.revision);
        continue;
      }
      const { kind, queueNumber, lane, position } = target;
      const key = kind === "scheduled" ? scheduledKey : returnedKey;
      const queue = directory.numbered(queueNumber);
      const row = storage.read("later", key(queueNumber, lane), position);
      if (queue === undefined || row === undefined) continue;
      // Cancelled in this very group, its row is still there.
      if (queue.active?.held.get(position)?.state === "final") continue;
      if (kind === "scheduled") changes.of(queue, group).becomeDue(lane, position, row);
      // Otherwise it was offered meanwhile, and waits for a later time under another timer.
      else if (dueMsOf(row) <= timer.dueMs) changes.of(queue, group).ripen(lane, position, row);
    }
  }

  /** Messages that waited for their retry are where they belong already, and only have to be looked at. */
  committed(): void {
    const { directory, changed } = this.#core;
    for (const { target } of this.#timers) {
      if (target.kind !== "returned") continue;
      const queue = directory.numbered(target.queueNumber);
      if (queue?.active === undefined) continue;
      queue.active.lane(target.lane).wake(target.position);
      changed(queue);
    }
  }

  failed(): void {
    this.#core.timers.postpone(this.#timers);
  }
}
