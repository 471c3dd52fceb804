/** The changes that the present group makes to queues, one set for each queue. */
import { HashTable } from "../../runtime/hash-table.ts";
import type { Group } from "./group.ts";
import type { Queue } from "./queue.ts";
import { QueueChanges } from "./queue-changes.ts";
import type { Timers } from "./timers.ts";

export interface ChangesOptions {
  readonly timers: Timers;
  /** A message that somebody follows has come back. */
  readonly onMoved: (queue: Queue, position: number) => void;
  /** A queue changed: there may be something to offer. */
  readonly onChanged: (queue: Queue) => void;
}

export class Changes {
  readonly #options: ChangesOptions;
  /** By queue number. */
  readonly #ofQueue = new HashTable<number, QueueChanges>();

  constructor(options: ChangesOptions) {
    this.#options = options;
  }

  of(queue: Queue, group: Group): QueueChanges {
    const { number } = queue;
    const present = this.#ofQueue.get(number);
    if (present !== undefined) return present;
    const { timers, onMoved, onChanged } = this.#options;
    const onEnd = (committed: boolean) => {
      this.#ofQueue.delete(number);
      if (committed) onChanged(queue);
    };
    const changes = new QueueChanges({
      queue,
      group,
      timers,
      onMoved: (position) => onMoved(queue, position),
      onEnd,
    });
    this.#ofQueue.set(number, changes);
    return changes;
  }
}
