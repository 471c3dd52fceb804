/** The changes that the present group makes to queues, one set for each queue. */
import type { Group } from "./group.ts";
import type { Queue } from "./queue.ts";
import { QueueChanges } from "./queue-changes.ts";
import type { Timers } from "./timers.ts";

export interface ChangesOptions {
  readonly timers: Timers;
  /** A queue changed, or a change of it failed: there may be something to offer. */
  readonly onChanged: (queue: Queue) => void;
}

export class Changes {
  readonly #options: ChangesOptions;
  readonly #ofQueue = new Map<Queue, QueueChanges>();

  constructor(options: ChangesOptions) {
    this.#options = options;
  }

  of(queue: Queue, group: Group): QueueChanges {
    const present = this.#ofQueue.get(queue);
    if (present !== undefined) return present;
    const { timers, onChanged } = this.#options;
    const onEnd = () => {
      this.#ofQueue.delete(queue);
      onChanged(queue);
    };
    const changes = new QueueChanges({ queue, group, timers, onEnd });
    this.#ofQueue.set(queue, changes);
    return changes;
  }
}
