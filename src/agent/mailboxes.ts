/** The durable side of an agent: declares its mailboxes, takes commands from them, settles them. */
import type { Delivery, Settlement, SettleOutcome } from "../broker/broker.ts";
import { defaultRetry, Retries } from "../delivery/retry.ts";
import { errorInfo } from "../errors.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { isRefusal } from "../exchange/failures.ts";
import type { Address } from "../message/address.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { CommandWork, type Settle } from "./command-work.ts";
import type { Inbox } from "./inbox.ts";

interface Settling {
  readonly settlement: Settlement;
  readonly tell: (outcome: SettleOutcome) => void;
}

export class Mailboxes {
  readonly #exchange: Exchange;
  readonly #inbox: Inbox;
  readonly #open = new Set<Address>();
  /** Of commands that nobody here knows. */
  readonly #retry: Retries;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];
  #declaring: Promise<void> = Promise.resolve();
  #settlements: Settling[] = [];
  readonly #flushing = new Set<Promise<void>>();
  #stopping = false;

  constructor(exchange: Exchange, inbox: Inbox) {
    this.#exchange = exchange;
    this.#inbox = inbox;
    const { clock, random } = exchange.site;
    this.#retry = new Retries(defaultRetry, clock, random);
  }

  /** Declares those that are new, and works them once the code that adds handlers has run. */
  open(addresses: readonly Address[]): void {
    const added = addresses.filter((address) => !this.#open.has(address));
    if (added.length === 0) return;
    for (const address of added) this.#open.add(address);
    const declared = this.#exchange.declare(added);
    const { clock, onError } = this.#exchange.site;
    const started = declared.then(
      () =>
        new Promise<void>((resolve) => {
          clock.defer(() => {
            for (const address of added) this.#loops.push(this.#work(address));
            resolve();
          });
        }),
    );
    this.#declaring = Promise.all([this.#declaring, started]).then(() => {});
    started.catch((error: unknown) => {
      if (!this.#stop.signal.aborted) onError(error, `mailboxes of ${this.#inbox.id}`);
    });
  }

  ready(): Promise<void> {
    return this.#declaring;
  }

  /** Takes nothing new. */
  stop(): void {
    this.#stopping = true;
  }

  /** Resolves once everything is settled and the queues are left. */
  async close(): Promise<void> {
    this.#stopping = true;
    await this.#declaring.catch(() => {});
    while (this.#settlements.length > 0 || this.#flushing.size > 0) {
      await Promise.all([...this.#flushing]);
    }
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  async #work(address: Address): Promise<void> {
    const { broker, space, onError } = this.#exchange.site;
    const options = { credit: this.#inbox.capacity, consumer: this.#inbox.id };
    const { signal } = this.#stop;
    try {
      for await (const batch of broker.queues.receive(space.queue(address), options, signal)) {
        for (const delivery of batch) this.#take(delivery);
      }
    } catch (error) {
      if (!signal.aborted) onError(error, `mailbox ${address} of ${this.#inbox.id}`);
    }
  }

  #take(delivery: Delivery): void {
    // Left as it is, it goes back when the queue is left; released now, it would be offered here again.
    if (this.#stopping) return;
    try {
      const message = decodeMessage(delivery.frame);
      const retry = this.#inbox.handlerOf(message.envelope.name)?.retry ?? this.#retry;
      const { site } = this.#exchange;
      const settle = this.#settle;
      this.#inbox.accept(new CommandWork(delivery, message, { site, retry, settle }));
    } catch (error) {
      void this.#settle(delivery, { kind: "dead", error: errorInfo(error) });
    }
  }

  /** What ends in one go is settled in one batch. */
  readonly #settle: Settle = ({ queue, position, fence }, outcome, effects) => {
    const claim = { queue, position, fence, outcome };
    const settlement = effects === undefined ? claim : { ...claim, effects };
    return new Promise((resolve) => {
      if (this.#settlements.length === 0) queueMicrotask(() => this.#flush());
      this.#settlements.push({ settlement, tell: resolve });
    });
  };

  #flush(): void {
    const batch = this.#settlements;
    this.#settlements = [];
    const flushing: Promise<void> = this.#send(batch).finally(() => {
      this.#flushing.delete(flushing);
    });
    this.#flushing.add(flushing);
  }

  /** What is wrong with one settlement is no reason to leave its neighbours unsettled. */
  async #sendApart(batch: readonly Settling[], error: unknown): Promise<void> {
    if (batch.length === 1) batch[0]?.tell({ kind: "refused", error: errorInfo(error) });
    else await Promise.all(batch.map((each) => this.#send([each])));
  }

  async #send(batch: readonly Settling[]): Promise<void> {
    const { broker, counters, onError } = this.#exchange.site;
    try {
      const outcomes = await broker.queues.settle(batch.map(({ settlement }) => settlement));
      for (let index = 0; index < outcomes.length; index++) {
        const outcome = outcomes[index] as SettleOutcome;
        if (outcome.kind === "stale") counters.stale++;
        batch[index]?.tell(outcome);
      }
    } catch (error) {
      if (isRefusal(error)) return this.#sendApart(batch, error);
      // The lease ends with the connection, and the message comes back to somebody.
      for (const { tell } of batch) tell({ kind: "indeterminate", error: errorInfo(error) });
      if (!this.#stop.signal.aborted) onError(error, `settlements of ${this.#inbox.id}`);
    }
  }
}
