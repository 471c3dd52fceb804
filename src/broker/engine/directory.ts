/** The queues of an engine, by name and by number. */
import type { Queue } from "./queue.ts";

export class Directory {
  readonly #byName = new Map<string, Queue>();
  readonly #byNumber = new Map<number, Queue>();

  /** Declared queues. */
  get size(): number {
    return this.#byNumber.size;
  }

  /** Declared or only received from. */
  named(name: string): Queue | undefined {
    return this.#byName.get(name);
  }

  /** The declared queue of this name. */
  declared(name: string): Queue | undefined {
    const queue = this.#byName.get(name);
    return queue === undefined || queue.number === 0 ? undefined : queue;
  }

  numbered(number: number): Queue | undefined {
    return this.#byNumber.get(number);
  }

  /** In the order of their declaration. */
  all(): Iterable<Queue> {
    return this.#byNumber.values();
  }

  add(queue: Queue): void {
    this.#byName.set(queue.name, queue);
    if (queue.number > 0) this.#byNumber.set(queue.number, queue);
  }

  /** Takes out a queue that is not declared any more, or has lost its last receiver. */
  remove(queue: Queue, number: number): void {
    this.#byNumber.delete(number);
    if (queue.receivers.length === 0) this.#byName.delete(queue.name);
  }
}
