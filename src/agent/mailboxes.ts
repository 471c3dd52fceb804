/** The durable side of an agent: declares its mailboxes, and takes commands from them. */
import type { Delivery, ReceiveOptions } from "../broker/broker.ts";
import { creditMax } from "../broker/checks.ts";
import { type ColloquyError, isColloquyError } from "../errors.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { isRefusal } from "../exchange/failures.ts";
import type { Site } from "../exchange/site.ts";
import type { Address } from "../message/address.ts";
import { Deferred } from "../runtime/deferred.ts";
import { CommandDesk } from "./command-desk.ts";
import type { Inbox } from "./inbox.ts";
import { type ReceiverHome, Receiving } from "./receiving.ts";

const declareAgainMs = 1_000;

/** Declared at a time. */
interface Opened {
  readonly addresses: readonly Address[];
  /** Resolves when they are received from; of the latest declaration, where it had to be repeated. */
  started: Promise<void>;
}

export class Mailboxes implements ReceiverHome {
  readonly options: ReceiveOptions;
  readonly #exchange: Exchange;
  readonly #inbox: Inbox;
  readonly #stop = new AbortController();
  #opened: readonly Opened[] = [];
  /** Mailboxes that are received from. */
  #receiving = 0;
  #allLeft: Deferred | undefined;
  /** Made with the first command: of many agents most never get one. */
  #desk: CommandDesk | undefined;
  #closing: ColloquyError | undefined;

  constructor(exchange: Exchange, inbox: Inbox) {
    this.#exchange = exchange;
    this.#inbox = inbox;
    this.options = {
      credit: Math.min(inbox.capacity, creditMax),
      consumer: inbox.id,
      onNotice: (notice) => this.#commands.noticed(notice),
    };
  }

  get site(): Site {
    return this.#exchange.site;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Declares those that are new, and works them once the code that adds handlers has run. */
  open(addresses: readonly Address[]): void {
    const known = this.#opened.flatMap((opened) => opened.addresses);
    const added =
      known.length === 0 ? addresses : addresses.filter((address) => !known.includes(address));
    if (added.length === 0) return;
    const opened = { addresses: added, started: Promise.resolve() };
    this.#opened = this.#opened.concat(opened);
    this.#declare(opened);
  }

  /** What could not be declared is declared again: nobody can send to it before. */
  #declare(opened: Opened): void {
    const { clock, onError } = this.site;
    const { addresses } = opened;
    opened.started = this.#exchange.declare(addresses).then(() => this.#receive(addresses));
    opened.started.catch((error: unknown) => {
      if (this.#closing !== undefined) return;
      onError(error, `mailboxes of ${this.#inbox.id}`);
      if (isRefusal(error) || isColloquyError(error, "CLOSED")) return;
      clock.setTimer(declareAgainMs, () => {
        if (this.#closing === undefined) this.#declare(opened);
      });
    });
  }

  #receive(addresses: readonly Address[]): Promise<void> {
    return new Promise<void>((resolve) => {
      this.site.clock.defer(() => {
        this.#receiving += addresses.length;
        for (const address of addresses) new Receiving(this, address).begin();
        resolve();
      });
    });
  }

  take(deliveries: readonly Delivery[]): void {
    // On their way when the queue was left: they go back.
    if (this.#closing !== undefined) return;
    for (const delivery of deliveries) this.#commands.take(delivery);
  }

  left(): void {
    if (--this.#receiving === 0) this.#allLeft?.resolve();
  }

  /** @throws what the broker said when it was asked last. */
  async ready(): Promise<void> {
    await Promise.all(this.#opened.map(({ started }) => started));
  }

  /** Takes nothing new; what is in hand stays here until it is settled. Safe to repeat. */
  stop(error: ColloquyError): void {
    if (this.#closing !== undefined) return;
    this.#closing = error;
    this.#desk?.stop(error);
    this.#stop.abort();
  }

  /** Handlers that still run are told that it is over: what they handle goes to others. */
  interrupt(error: ColloquyError): void {
    this.#desk?.interrupt(error);
  }

  /** After `stop`: resolves once everything is settled and the queues are left. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#opened.map(({ started }) => started));
    await this.#desk?.close();
    if (this.#receiving === 0) return;
    this.#allLeft ??= new Deferred();
    await this.#allLeft.promise;
  }

  get #commands(): CommandDesk {
    this.#desk ??= new CommandDesk(this.site, this.#inbox);
    return this.#desk;
  }
}
