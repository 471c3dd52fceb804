/** One loop that receives from a queue: its credit, and what it has in hand. */
import { AsyncQueue } from "../../../runtime/async-queue.ts";
import type { Delivery, Notice, ReceiveOptions } from "../../broker.ts";
import type { Holder, Item, Phase } from "./item.ts";

export class QueueReceiver implements Holder {
  readonly options: ReceiveOptions;
  readonly batches: AsyncQueue<readonly Delivery[]>;
  readonly items: Set<Item> = new Set();

  constructor(options: ReceiveOptions, onStop: () => void) {
    this.options = options;
    this.batches = new AsyncQueue({ onStop });
  }

  /** Items of which the handler waits for somebody's input. */
  #waiting = 0;

  /** Deliveries that it may still be given. */
  get room(): number {
    return this.options.credit - this.items.size + this.#waiting;
  }

  add(item: Item): void {
    item.receiver = this;
    this.items.add(item);
    if (item.phase === "waiting-input") this.#waiting++;
  }

  drop(item: Item): void {
    if (this.items.delete(item) && item.phase === "waiting-input") this.#waiting--;
  }

  enter(item: Item, phase: Phase): void {
    if (item.phase === phase) return;
    const change = phase === "waiting-input" ? 1 : item.phase === "waiting-input" ? -1 : 0;
    if (this.items.has(item)) this.#waiting += change;
    item.phase = phase;
  }

  notify(notice: Notice): void {
    this.options.onNotice?.(notice);
  }

  get consumer(): string {
    return this.options.consumer;
  }

  get hearsNotices(): boolean {
    return this.options.onNotice !== undefined;
  }
}

export function deliveryOf(item: Item): Delivery {
  return { ...item.claim, frame: item.message.frame, attempts: item.attempts };
}
