/** The durable side of an agent: declares its mailboxes, takes commands from them, settles them. */
import type { Delivery, Notice } from "../broker/broker.ts";
import { creditMax } from "../broker/checks.ts";
import { defaultRetry, Retries, retryDelayMs } from "../delivery/retry.ts";
import { type ColloquyError, errorInfo, isColloquyError } from "../errors.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { isRefusal } from "../exchange/failures.ts";
import type { Address } from "../message/address.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { Deferred } from "../runtime/deferred.ts";
import { sleep } from "../runtime/sleep.ts";
import { type CommandHome, CommandWork } from "./command-work.ts";
import { HeldCommands } from "./held-commands.ts";
import type { Inbox } from "./inbox.ts";
import { Reports } from "./reporting.ts";
import { Settlements } from "./settling.ts";

const declareAgainMs = 1_000;
/** Before a mailbox that broke off is received from again. */
const leastPauseMs = 50;

interface Kept {
  readonly works: Set<CommandWork>;
  /** Aborts with the last of them. */
  readonly end: AbortController;
}

export class Mailboxes {
  readonly #exchange: Exchange;
  readonly #inbox: Inbox;
  /** Each with its declaration; the latest, where it had to be repeated. */
  readonly #open = new Map<Address, Promise<void>>();
  /** Of commands that nobody here knows. */
  readonly #retry: Retries;
  /** Aborts when nothing new is taken any more. */
  readonly #stop = new AbortController();
  /** Aborts when nothing is in hand any more. */
  readonly #over = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly #settlements: Settlements;
  readonly #held = new HeldCommands();
  readonly #home: CommandHome;
  /** By queue, once it is left: what is still in hand. */
  readonly #kept = new Map<string, Kept>();
  #closing: ColloquyError | undefined;
  #idle: Deferred | undefined;

  constructor(exchange: Exchange, inbox: Inbox) {
    this.#exchange = exchange;
    this.#inbox = inbox;
    const { site } = exchange;
    this.#retry = new Retries(defaultRetry, site.clock, site.random);
    this.#settlements = new Settlements(site, this.#over.signal);
    const reports = new Reports(site.broker.queues);
    this.#home = {
      site,
      report: (report) => reports.report(report),
      closing: () => this.#closing,
      settle: (settlement) => this.#settlements.settle(settlement),
      release: (work) => this.#release(work),
    };
  }

  /** Declares those that are new, and works them once the code that adds handlers has run. */
  open(addresses: readonly Address[]): void {
    const added = addresses.filter((address) => !this.#open.has(address));
    if (added.length === 0) return;
    this.#declare(added);
  }

  /** What could not be declared is declared again: nobody can send to it before. */
  #declare(added: readonly Address[]): void {
    const { clock, onError } = this.#exchange.site;
    const started = this.#exchange.declare(added).then(
      () =>
        new Promise<void>((resolve) => {
          clock.defer(() => {
            for (const address of added) this.#loops.push(this.#work(address));
            resolve();
          });
        }),
    );
    for (const address of added) this.#open.set(address, started);
    started.catch((error: unknown) => {
      if (this.#closing !== undefined) return;
      onError(error, `mailboxes of ${this.#inbox.id}`);
      if (isRefusal(error) || isColloquyError(error, "CLOSED")) return;
      clock.setTimer(declareAgainMs, () => {
        if (this.#closing === undefined) this.#declare(added);
      });
    });
  }

  /** @throws what the broker said when it was asked last. */
  async ready(): Promise<void> {
    await Promise.all(this.#open.values());
  }

  /**
   * Takes nothing new, and lets nobody wait for input any longer: those messages go on elsewhere. What is
   * in hand stays here, held by receivers that have no room for anything else.
   */
  stop(error: ColloquyError): void {
    this.#closing = error;
    for (const work of this.#held.all()) work.leave(error);
    const held = Map.groupBy(
      this.#held.all().filter((work) => work.stays),
      ({ claim }) => claim.queue,
    );
    for (const [queue, works] of held) {
      const kept = { works: new Set(works), end: new AbortController() };
      this.#kept.set(queue, kept);
      this.#loops.push(this.#keep(queue, kept));
    }
    this.#stop.abort();
  }

  /** Handlers that still run are told that it is over: what they handle goes to others. */
  interrupt(error: ColloquyError): void {
    for (const work of this.#held.all()) work.interrupt(error);
  }

  /** After `stop`: resolves once everything is settled and the queues are left. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#open.values());
    if (this.#held.size > 0) {
      this.#idle ??= new Deferred();
      await this.#idle.promise;
    }
    await this.#settlements.done();
    this.#over.abort();
    for (const { end } of this.#kept.values()) end.abort();
    await Promise.all(this.#loops);
  }

  /** Until it stops; what breaks off begins again after a pause, longer each time until something comes. */
  async #work(address: Address): Promise<void> {
    const { clock, random, onError } = this.#exchange.site;
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#receive(address, () => {
          failures = 0;
        });
        return;
      } catch (error) {
        if (signal.aborted) return;
        onError(error, `mailbox ${address} of ${this.#inbox.id}`);
        if (isRefusal(error) || isColloquyError(error, "CLOSED")) return;
        failures++;
        const delayMs = leastPauseMs + retryDelayMs(failures, defaultRetry, random);
        await sleep(clock, delayMs, signal).catch(() => {});
      }
    }
  }

  /** What comes all the same, with the last settlement, goes back when it is left. */
  async #keep(queue: string, { works, end: { signal } }: Kept): Promise<void> {
    const { broker, onError } = this.#exchange.site;
    const options = {
      credit: 1,
      consumer: this.#inbox.id,
      claims: [...works].map(({ claim: { position, fence } }) => ({ queue, position, fence })),
      onNotice: (notice: Notice) => this.#held.noticed(notice),
    };
    try {
      for await (const _batch of broker.queues.receive(queue, options, signal));
    } catch (error) {
      if (!signal.aborted) onError(error, `what ${this.#inbox.id} holds of ${queue}`);
    }
  }

  async #receive(address: Address, received: () => void): Promise<void> {
    const { broker, space } = this.#exchange.site;
    const options = {
      credit: Math.min(this.#inbox.capacity, creditMax),
      consumer: this.#inbox.id,
      onNotice: (notice: Notice) => this.#held.noticed(notice),
    };
    const queue = space.queue(address);
    for await (const batch of broker.queues.receive(queue, options, this.#stop.signal)) {
      received();
      for (const delivery of batch) this.#take(delivery);
    }
  }

  #release(work: CommandWork): void {
    const { queue, fence } = work.claim;
    this.#held.delete(fence);
    const kept = this.#kept.get(queue);
    if (kept?.works.delete(work) === true && kept.works.size === 0) kept.end.abort();
    if (this.#held.size === 0) this.#idle?.resolve();
  }

  #take(delivery: Delivery): void {
    // On its way when the queue was left: it goes back.
    if (this.#closing !== undefined) return;
    try {
      const message = decodeMessage(delivery.frame);
      const retry = this.#inbox.handlerOf(message.envelope.name)?.retry ?? this.#retry;
      const work = new CommandWork(delivery, message, this.#home, retry);
      this.#held.add(work);
      if (work.cancelled === undefined) this.#inbox.accept(work);
    } catch (error) {
      const { queue, position, fence } = delivery;
      const outcome = { kind: "dead", error: errorInfo(error) } as const;
      void this.#settlements.settle({ queue, position, fence, outcome });
    }
  }
}
