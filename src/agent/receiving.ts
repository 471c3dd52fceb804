/**
 * Receives from one mailbox until its signal aborts; what breaks off begins again after a pause, longer
 * each time until something comes.
 *
 * A process may wait at some hundred thousand mailboxes: it waits with two closures, where an `async`
 * function would keep its frame.
 */
import type { Delivery, ReceiveOptions } from "../broker/broker.ts";
import { defaultRetry, retryDelayMs } from "../delivery/retry.ts";
import { isColloquyError } from "../errors.ts";
import { isRefusal } from "../exchange/failures.ts";
import type { Site } from "../exchange/site.ts";
import type { Address } from "../message/address.ts";
import { sleep } from "../runtime/sleep.ts";

/** Before a mailbox that broke off is received from again. */
const leastPauseMs = 50;

/** What receives, of whatever mailbox. */
export interface ReceiverHome {
  readonly site: Site;
  readonly options: ReceiveOptions;
  /** Aborts when nothing new is taken any more. */
  readonly signal: AbortSignal;
  /** Must not throw. */
  take(deliveries: readonly Delivery[]): void;
  /** Nothing more comes of it. */
  left(): void;
}

export class Receiving {
  readonly #home: ReceiverHome;
  readonly #address: Address;
  #batches: AsyncIterator<readonly Delivery[]> | undefined;
  #failures = 0;

  constructor(home: ReceiverHome, address: Address) {
    this.#home = home;
    this.#address = address;
  }

  begin(): void {
    const { site, options, signal } = this.#home;
    if (signal.aborted) return this.#home.left();
    const batches = site.broker.queues.receive(site.space.queue(this.#address), options, signal);
    this.#batches = batches[Symbol.asyncIterator]();
    this.#next();
  }

  #next(): void {
    this.#batches?.next().then(this.#took, this.#brokeOff);
  }

  readonly #took = ({ done, value }: IteratorResult<readonly Delivery[]>): void => {
    if (done === true) return this.#home.left();
    this.#failures = 0;
    this.#home.take(value);
    this.#next();
  };

  readonly #brokeOff = (error: unknown): void => {
    const { site, options, signal } = this.#home;
    if (signal.aborted) return this.#home.left();
    site.onError(error, `mailbox ${this.#address} of ${options.consumer}`);
    if (isRefusal(error) || isColloquyError(error, "CLOSED")) return this.#home.left();
    this.#failures++;
    const delayMs = leastPauseMs + retryDelayMs(this.#failures, defaultRetry, site.random);
    const again = () => this.begin();
    sleep(site.clock, delayMs, signal).then(again, again);
  };
}
