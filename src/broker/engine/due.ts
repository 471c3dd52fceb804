/** What happens when the time of a timer has come. */
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { scheduledKey } from "./returned.ts";
import type { EngineTimer } from "./timers.ts";

/** Scheduled messages become returned ones, entries end, and the rows of the timers go. */
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
      } else if (target.kind === "scheduled") {
        const { queueNumber, lane, position } = target;
        const queue = directory.numbered(queueNumber);
        const row = storage.read("later", scheduledKey(queueNumber, lane), position);
        // Cancelled in this very group, its row is still there.
        const ended = queue?.active?.held.get(position)?.state === "final";
        if (queue !== undefined && row !== undefined && !ended) {
          changes.of(queue, group).becomeDue(lane, position, row);
        }
      }
    }
  }

  /** Messages that wait for their retry are where they belong already, and only have to be looked at. */
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
