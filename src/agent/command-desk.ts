/** The commands that an agent has in hand: taken from its mailboxes, given to its handlers, settled. */
import type {
  Delivery,
  Notice,
  Report,
  ReportOutcome,
  Settlement,
  SettleOutcome,
} from "../broker/broker.ts";
import { defaultRetry, Retries } from "../delivery/retry.ts";
import { type ColloquyError, errorInfo } from "../errors.ts";
import type { Site } from "../exchange/site.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { Deferred } from "../runtime/deferred.ts";
import { type CommandHome, CommandWork } from "./command-work.ts";
import { HeldCommands } from "./held-commands.ts";
import type { Inbox } from "./inbox.ts";
import { Reports } from "./reporting.ts";
import { Settlements } from "./settling.ts";

interface Kept {
  readonly works: Set<CommandWork>;
  /** Aborts with the last of them. */
  readonly end: AbortController;
}

export class CommandDesk implements CommandHome {
  readonly site: Site;
  readonly #inbox: Inbox;
  readonly #settlements: Settlements;
  readonly #reports: Reports;
  readonly #held = new HeldCommands();
  /** Of commands that nobody here knows. */
  readonly #retry: Retries;
  /** By queue, once it is left: what is still in hand. */
  readonly #kept = new Map<string, Kept>();
  readonly #keeping: Promise<void>[] = [];
  #closing: ColloquyError | undefined;
  #idle: Deferred | undefined;

  constructor(site: Site, inbox: Inbox) {
    this.site = site;
    this.#inbox = inbox;
    this.#settlements = new Settlements(site);
    this.#reports = new Reports(site.broker.queues);
    this.#retry = new Retries(defaultRetry, site.clock, site.random);
  }

  take(delivery: Delivery): void {
    try {
      const message = decodeMessage(delivery.frame);
      const retry = this.#inbox.handlerOf(message.envelope.name)?.retry ?? this.#retry;
      const work = new CommandWork(delivery, message, this, retry);
      this.#held.add(work);
      if (work.cancelled === undefined) this.#inbox.accept(work);
    } catch (error) {
      const { queue, position, fence } = delivery;
      const outcome = { kind: "dead", error: errorInfo(error) } as const;
      void this.settle({ queue, position, fence, outcome });
    }
  }

  noticed(notice: Notice): void {
    this.#held.noticed(notice);
  }

  settle(settlement: Settlement): Promise<SettleOutcome> {
    return this.#settlements.settle(settlement);
  }

  report(report: Report): Promise<ReportOutcome> {
    return this.#reports.report(report);
  }

  get closing(): ColloquyError | undefined {
    return this.#closing;
  }

  release(work: CommandWork): void {
    const { queue, fence } = work.claim;
    this.#held.delete(fence);
    const kept = this.#kept.get(queue);
    if (kept?.works.delete(work) === true && kept.works.size === 0) kept.end.abort();
    if (this.#held.size === 0) this.#idle?.resolve();
  }

  /**
   * The mailboxes are left, and nobody may wait for input any longer: those messages go on elsewhere. What
   * else is in hand stays here, held by receivers that have no room for anything else.
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
      this.#keeping.push(this.#keep(queue, kept));
    }
  }

  /** Handlers that still run are told that it is over: what they handle goes to others. */
  interrupt(error: ColloquyError): void {
    for (const work of this.#held.all()) work.interrupt(error);
  }

  /** After `stop`: resolves once everything is settled. */
  async close(): Promise<void> {
    if (this.#held.size > 0) {
      this.#idle ??= new Deferred();
      await this.#idle.promise;
    }
    await this.#settlements.done();
    for (const { end } of this.#kept.values()) end.abort();
    await Promise.all(this.#keeping);
  }

  /** What comes all the same, with the last settlement, goes back when it is left. */
  async #keep(queue: string, { works, end: { signal } }: Kept): Promise<void> {
    const { broker, onError } = this.site;
    const options = {
      credit: 1,
      consumer: this.#inbox.id,
      claims: [...works].map(({ claim: { position, fence } }) => ({ queue, position, fence })),
      onNotice: (notice: Notice) => this.noticed(notice),
    };
    try {
      for await (const _batch of broker.queues.receive(queue, options, signal));
    } catch (error) {
      if (!signal.aborted) onError(error, `what ${this.#inbox.id} holds of ${queue}`);
    }
  }
}
