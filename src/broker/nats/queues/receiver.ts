/** One loop that receives from a queue: its credit, and what it has in hand. */
import { Deferred } from "../../../runtime/deferred.ts";
import type { Delivery, Notice, ReceiveOptions } from "../../broker.ts";
import type { Holder, Item, Phase } from "./item.ts";

export class QueueReceiver implements Holder {
  readonly options: ReceiveOptions;
  readonly items: Set<Item> = new Set();
  /** Deliveries that its loop has not come for yet. */
  #unread: Delivery[] = [];
  #news = new Deferred();
  #end: { readonly error?: unknown } | undefined;
  /** Claims of which it is not known yet whether it has them. */
  #claimed: number;
  /** Items of which the handler waits for somebody's input. */
  #waiting = 0;

  constructor(options: ReceiveOptions) {
    this.options = options;
    this.#claimed = options.claims?.length ?? 0;
  }

  /** Deliveries that it may still be given. */
  get room(): number {
    return this.options.credit - this.#claimed - this.items.size + this.#waiting;
  }

  get consumer(): string {
    return this.options.consumer;
  }

  get hearsNotices(): boolean {
    return this.options.onNotice !== undefined;
  }

  notify(notice: Notice): void {
    this.options.onNotice?.(notice);
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

  /** One claim less to wait for, whether it was granted or not. */
  claimAnswered(): void {
    this.#claimed--;
  }

  deliver(item: Item): void {
    this.add(item);
    const { claim, message, attempts } = item;
    this.#unread.push({ ...claim, frame: message.frame, attempts });
    this.#news.resolve();
  }

  /** What it was given, as much at a time as has come meanwhile. @throws what it has failed with. */
  async *batches(): AsyncGenerator<readonly Delivery[], void, undefined> {
    for (;;) {
      await this.#news.promise;
      if (this.#end !== undefined) {
        if ("error" in this.#end) throw this.#end.error;
        return;
      }
      this.#news = new Deferred();
      yield this.#unread.splice(0);
    }
  }

  /** Whatever was not read is not any more. */
  end(): void {
    this.#finish({});
  }

  fail(error: unknown): void {
    this.#finish({ error });
  }

  #finish(end: { readonly error?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#unread = [];
    this.#news.resolve();
  }
}
