/** Where an agent's work arrives, waits for a free handler, and is run. */
import type { RateLimit } from "../delivery/rate-limit.ts";
import { letThrough } from "../delivery/refusals.ts";
import { ColloquyError } from "../errors.ts";
import { Activity, type ActivityFigures, noActivity } from "../exchange/activity.ts";
import { isPast } from "../exchange/causality/deadline.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { noHandler, notResumable, pastDeadline } from "../exchange/failures.ts";
import type { LocalAgent, Work } from "../exchange/work.ts";
import type { Sender } from "../message/envelope.ts";
import { Deferred } from "../runtime/deferred.ts";
import { HandlerContext, type Place } from "./context.ts";
import { type Handler, isChunks, isPromise } from "./handler.ts";
import { Waiting } from "./waiting.ts";

export interface InboxOptions {
  /** Handlers that run at a time. */
  readonly capacity: number;
  /** Requests are refused when as much work waits for one. */
  readonly waitingMax: number;
  /** How much one sender may ask for. */
  readonly rateLimit?: RateLimit | undefined;
}

/** Of those who only ask, however many; never added to. */
const noHandlers = new Map<string, Handler>();

export class Inbox implements LocalAgent, Place {
  readonly self: Sender;
  readonly capacity: number;
  readonly #exchange: Exchange;
  #handlers = noHandlers;
  /** Made with the first work that has to wait. */
  #waiting: Waiting | undefined;
  readonly #waitingMax: number;
  readonly #rateLimit: RateLimit | undefined;
  /** Made with the first handler that runs. */
  #ending: AbortController | undefined;
  /** Made with the first handler that runs. */
  #activity: Activity | undefined;
  #running = 0;
  /** Handlers that have given up their place while they wait for somebody. */
  #away = 0;
  /** Why nothing is taken any more. */
  #leaving: ColloquyError | undefined;
  #advancing = false;
  #idle: Deferred | undefined;

  constructor(exchange: Exchange, self: Sender, options: InboxOptions) {
    this.self = self;
    this.capacity = options.capacity;
    this.#exchange = exchange;
    this.#waitingMax = options.waitingMax;
    this.#rateLimit = options.rateLimit;
  }

  get id(): string {
    return this.self.agent;
  }

  get type(): string {
    return this.self.type;
  }

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#waiting?.size ?? 0;
  }

  get activity(): ActivityFigures {
    return this.#activity?.figures ?? noActivity;
  }

  /** Handlers running and work waiting for one. */
  get load(): number {
    return this.#running + this.queued;
  }

  /** @returns what takes the handler away again. @throws CONFLICT when there is one of its name. */
  add(handler: Handler): () => void {
    const { name } = handler;
    if (this.#handlers.has(name)) {
      throw new ColloquyError("CONFLICT", `${this.id} has a handler for ${name} already`, {
        details: { agent: this.id, name },
      });
    }
    if (this.#handlers === noHandlers) this.#handlers = new Map();
    this.#handlers.set(name, handler);
    return () => {
      if (this.#handlers.get(name) === handler) this.#handlers.delete(name);
    };
  }

  handlerOf(name: string): Handler | undefined {
    return this.#handlers.get(name);
  }

  accept(work: Work): void {
    if (this.#leaving !== undefined) return work.fail(this.#leaving);
    // A mailbox is paced by its credit, and what it holds must be done: it is not refused.
    if (this.#rateLimit === undefined || work.kind === "command") return this.#take(work);
    const refusal = this.#rateLimit.refusal(work.message.from.agent);
    if (refusal === undefined) this.#take(work);
    else work.fail(refusal);
  }

  #take(work: Work): void {
    const handler = this.#handlers.get(work.name);
    if (handler === undefined) work.fail(noHandler(this.id, work.name));
    else if (this.#running < this.capacity) this.#start(work, handler);
    else if (!this.#wait(work)) work.fail(this.#full());
    else if (work.mandate?.sender !== undefined) this.#exchange.deadlocks.watch(this);
  }

  /** @returns false when there is no room for it. */
  #wait(work: Work): boolean {
    this.#waiting ??= new Waiting(this.#waitingMax);
    return this.#waiting.push(work);
  }

  /** Fails what waits and what comes with `error`; resolves when nothing runs any more. */
  async drain(error: ColloquyError): Promise<void> {
    this.#leaving = error;
    for (const work of this.#waiting?.takeAll() ?? []) work.fail(error);
    if (this.#running + this.#away === 0) return;
    this.#idle ??= new Deferred();
    await this.#idle.promise;
  }

  /** Commands that wait go elsewhere; requests go on waiting. */
  handBack(error: ColloquyError): void {
    for (const work of this.#waiting?.takeAll() ?? []) {
      if (work.kind === "command") work.fail(error);
      else this.#wait(work);
    }
  }

  /** A handler waits for somebody: another one may run meanwhile. */
  leave(): void {
    this.#running--;
    this.#away++;
    if (this.queued > 0) this.#advance();
  }

  /** It goes on, at once: for a moment more handlers may run than there is capacity. */
  retake(): void {
    this.#away--;
    this.#running++;
  }

  /** Aborts the signals of handlers that still run. */
  interrupt(error: ColloquyError): void {
    this.#ending ??= new AbortController();
    this.#ending.abort(error);
  }

  get ending(): AbortSignal {
    this.#ending ??= new AbortController();
    return this.#ending.signal;
  }

  #start(work: Work, handler: Handler): void {
    if (isPast(this.#exchange.site.clock, work.startByMs)) {
      return work.fail(pastDeadline({ name: work.name, outcome: "not-started" }));
    }
    if (work.resumeFrom !== undefined && !handler.resumable) {
      return work.fail(notResumable(work.name, work.resumeFrom));
    }
    this.#running++;
    this.#exchange.site.counters.started++;
    this.#activity ??= new Activity(this.#exchange.site.clock);
    const began = this.#activity.begin();
    work.started();
    if (handler.resumable && work.kind === "stream") work.beResumable?.();
    const context = new HandlerContext(work, this.#exchange, this.self, this);
    let result: unknown;
    try {
      result = handler.run(work.input, context);
    } catch (error) {
      return this.#fail(work, context, error, began);
    }
    if (isPromise(result)) {
      result.then(
        (value) => this.#succeed(work, context, value, began),
        (error: unknown) => this.#fail(work, context, error, began),
      );
    } else this.#succeed(work, context, result, began);
  }

  #succeed(work: Work, context: HandlerContext, result: unknown, began: number): void {
    const ending = isChunks(result)
      ? work.answerWith(result, () => context.takeEffects())
      : work.succeed(result, context.takeEffects());
    if (ending === undefined) return this.#end(work, context, began, false);
    const end = () => {
      // Of chunks that came to no end nobody took what was staged.
      context.takeEffects();
      this.#end(work, context, began, false);
    };
    ending.then(end, end);
  }

  #fail(work: Work, context: HandlerContext, error: unknown, began: number): void {
    context.takeEffects();
    const passedOn = work.kind !== "command" && context.failedWith(error);
    work.fail(passedOn ? letThrough(error, this.id) : error);
    this.#end(work, context, began, true);
  }

  #end(work: Work, context: HandlerContext, began: number, failed: boolean): void {
    this.#activity?.end(began, failed);
    if (context.end()) this.#running--;
    else this.#away--;
    this.#exchange.deadlocks.callers.leave(this.id, work);
    if (this.queued > 0) this.#advance();
    if (this.#running + this.#away === 0) this.#idle?.resolve();
  }

  /** Starts what waits. A handler that ends at once comes back here: one loop, not a pile of calls. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while (this.#running < this.capacity) {
      const work = this.#waiting?.shift();
      if (work === undefined) break;
      if (work.outcome === "not-started") this.#take(work);
    }
    this.#advancing = false;
  }

  #full(): ColloquyError<"QUEUE_FULL"> {
    const waitingMax = this.#waitingMax;
    return new ColloquyError("QUEUE_FULL", `${waitingMax} requests wait for ${this.id} already`, {
      details: { agent: this.id, waitingMax },
    });
  }
}
