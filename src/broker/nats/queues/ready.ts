/** Items of one queue that wait for a receiver with room: lane by lane and receiver by receiver in turn. */
import type { Clock, Timer } from "../../../runtime/clock.ts";
import type { Lane } from "../../broker.ts";
import type { Item } from "./item.ts";
import type { QueueReceiver } from "./receiver.ts";
import { Turns } from "./turns.ts";

/** How long more than there is room for is kept for the next that makes room. */
const surplusMs = 100;

export interface ReadyOptions {
  readonly clock: Clock;
  readonly receivers: ReadonlySet<QueueReceiver>;
  /** A receiver is getting the item. */
  readonly offered: (item: Item) => void;
  /** Nobody has made room for these in time. */
  readonly surplus: (lane: Lane, items: readonly Item[]) => void;
}

export class Ready {
  readonly #options: ReadyOptions;
  readonly #lanes: readonly Item[][] = [[], [], [], []];
  readonly #turns = new Turns();
  #count = 0;
  #turn = 0;
  #surplus: Timer | undefined;

  constructor(options: ReadyOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  add(item: Item): void {
    item.stage = "ready";
    (this.#lanes[item.message.lane] as Item[]).push(item);
    this.#count++;
    this.dispatch();
  }

  remove(item: Item): void {
    const lane = this.#lanes[item.message.lane] as Item[];
    const at = lane.indexOf(item);
    if (at === -1) return;
    lane.splice(at, 1);
    this.#count--;
  }

  /** Nobody receives any more. */
  takeAll(): readonly Item[] {
    this.#surplus?.cancel();
    this.#surplus = undefined;
    this.#count = 0;
    return this.#lanes.flatMap((lane) => lane.splice(0));
  }

  /** Some may have room. */
  dispatch(): void {
    while (this.#count > 0) {
      const receiver = this.#nextReceiver();
      if (receiver === undefined) break;
      const lane = this.#turns.next((each) => (this.#lanes[each]?.length ?? 0) > 0) as Lane;
      const item = this.#lanes[lane]?.shift() as Item;
      this.#count--;
      item.stage = "held";
      receiver.deliver(item);
      this.#options.offered(item);
    }
    if (this.#count > 0) {
      this.#surplus ??= this.#options.clock.setTimer(surplusMs, () => this.#giveUp());
    } else {
      this.#surplus?.cancel();
      this.#surplus = undefined;
    }
  }

  #nextReceiver(): QueueReceiver | undefined {
    const receivers = [...this.#options.receivers];
    for (let tried = 0; tried < receivers.length; tried++) {
      const receiver = receivers[this.#turn++ % receivers.length] as QueueReceiver;
      if (receiver.room > 0) return receiver;
    }
    return undefined;
  }

  #giveUp(): void {
    this.#surplus = undefined;
    for (const [lane, ready] of this.#lanes.entries()) {
      const items = ready.splice(0);
      this.#count -= items.length;
      if (items.length > 0) this.#options.surplus(lane as Lane, items);
    }
  }
}
