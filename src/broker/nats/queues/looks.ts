/** How far a message in this client's hands is: its holder is asked where it has said nothing yet. */
import type { Clock } from "../../../runtime/clock.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import { notifyHolder } from "./hub.ts";
import type { Item } from "./item.ts";

/** How long a holder may take to say whether it has started, until "offered" stands. */
const reportMs = 250;

export class Looks {
  readonly #clock: () => Clock;
  readonly #asked = new Map<Item, Deferred>();

  constructor(clock: () => Clock) {
    this.#clock = clock;
  }

  /** Resolves once the holder has said how far it is, or long enough after it was asked. */
  async at(item: Item): Promise<void> {
    if (item.hasReported || item.phase !== "offered" || item.receiver?.hearsNotices !== true)
      return;
    let asked = this.#asked.get(item);
    if (asked === undefined) {
      asked = new Deferred();
      this.#asked.set(item, asked);
      const timer = this.#clock().setTimer(reportMs, () => this.answered(item));
      void asked.promise.then(() => timer.cancel());
      notifyHolder(item, { kind: "follow", claim: item.claim });
      if (item.hasReported) this.answered(item);
    }
    await asked.promise;
  }

  answered(item: Item): void {
    this.#asked.get(item)?.resolve();
    this.#asked.delete(item);
  }

  close(): void {
    for (const item of [...this.#asked.keys()]) this.answered(item);
  }
}
