/** What a handler is given beside its input. */
import type { Effect } from "../broker/broker.ts";
import { ColloquyError, invalidOption } from "../errors.ts";
import type { StagedEffect } from "../exchange/effects.ts";
import type { Exchange } from "../exchange/exchange.ts";
import {
  checkPublish,
  type PublishOptions,
  type RequestOptions,
  type SendOptions,
  type StreamOptions,
} from "../exchange/options.ts";
import { packValue } from "../exchange/packed.ts";
import { type AskOptions, declined } from "../exchange/requests/questions.ts";
import type { StreamReply } from "../exchange/requests/stream.ts";
import type { Speaker } from "../exchange/speaker.ts";
import type {
  AppendOptions,
  LogValue,
  PutOptions,
  ReadOptions,
  StoredValue,
} from "../exchange/state.ts";
import {
  KeyedState,
  OrderedHistory,
  stagedAppendChecks,
  stagedDeleteChecks,
  stagedPutChecks,
} from "../exchange/state.ts";
import { noEffects, type Work } from "../exchange/work.ts";
import type { Address } from "../message/address.ts";
import { abortSignal, aboveZero, type Checks, checkOptions } from "../message/checks.ts";
import type { Envelope, Sender } from "../message/envelope.ts";
import { assertTopic } from "../message/topic.ts";
import { onAbort, type WaitOptions } from "../runtime/abort.ts";
import type {
  AnySchema,
  CommandMember,
  EventMember,
  Given,
  Member,
  RequestMember,
  StreamMember,
  Taken,
} from "./protocol.ts";

/**
 * The handler's side of one exchange. What is sent, published, put and appended here is staged: it
 * commits together with the settlement of the input when the handler returns, and is discarded when
 * it throws. All of it inherits conversation, cause and deadline.
 */
export interface Context {
  /** The envelope of what is being handled. */
  readonly message: Envelope;
  /**
   * Aborts when whoever sent the message gives up, when its deadline passes, and when this process
   * closes and has waited for `drainMs`. What the handler comes to then has no effect.
   */
  readonly signal: AbortSignal;
  /** 1 for the first start of this message. */
  readonly attempt: number;
  /** The same for every attempt: for systems outside that deduplicate. */
  readonly idempotencyKey: string;
  /** Of a command, higher with every attempt: for systems outside that refuse the lower one. */
  readonly fence: number | undefined;
  /**
   * Of a stream whose handler is resumable: the last chunk that its reader has, 0 at first. The first
   * chunk that is yielded gets the next number.
   */
  readonly resumeFrom: number;
  /** Milliseconds until the deadline; Infinity without one. */
  remainingMs(): number;
  /** Requests, streams and sends that may still be made here; Infinity without a limit. */
  readonly budget: number;
  /** Tells those who wait that the work goes on; of a request, restarts the caller's idle timer. */
  progress(data?: unknown): void;
  /**
   * Asks whoever waits for this work, and resolves with the answer, however long that takes: meanwhile
   * no idle time passes, and the handler takes up no capacity. Of a request or stream it is the asker's
   * `onInput` that answers. Of a command it is whoever has its receipt, with `receipt.answer`; then
   * questions and answers are durable: a handler that starts over gets the answers it has been given,
   * each to the question of the same number, at once.
   *
   * @throws UNSUPPORTED when nobody there takes questions, TIMEOUT after `timeoutMs`, CANCELLED, what
   *   `onInput` threw, SERIALIZATION_ERROR for a question that is not plain data, or, of a command,
   *   CONFLICT while another question is open.
   */
  ask(question: unknown, options?: AskOptions): Promise<unknown>;

  /** Asks at once, and is not staged. */
  request<Input extends AnySchema, Output extends AnySchema>(
    to: Address,
    member: RequestMember<Input, Output>,
    input: Given<Input>,
    options?: RequestOptions,
  ): Promise<Taken<Output>>;
  request(to: Address, method: string, input?: unknown, options?: RequestOptions): Promise<unknown>;
  /** Asks at once, and is not staged. */
  stream<Input extends AnySchema, Chunk extends AnySchema, Output extends AnySchema>(
    to: Address,
    member: StreamMember<Input, Chunk, Output>,
    input: Given<Input>,
    options?: StreamOptions,
  ): StreamReply<Taken<Chunk>, Taken<Output>>;
  stream(to: Address, method: string, input?: unknown, options?: StreamOptions): StreamReply;

  /** Staged. To each member of an array or an `all:` address. */
  send<Input extends AnySchema, Output extends AnySchema>(
    to: Address | readonly Address[],
    member: CommandMember<Input, Output>,
    payload: Given<Input>,
    options?: SendOptions,
  ): void;
  send(
    to: Address | readonly Address[],
    name: string,
    payload?: unknown,
    options?: SendOptions,
  ): void;
  /** Staged. */
  publish<Data extends AnySchema>(
    event: EventMember<Data>,
    data: Given<Data>,
    options?: PublishOptions,
  ): void;
  publish(topic: string, data?: unknown, options?: PublishOptions): void;
  readonly store: StagedStore;
  readonly log: StagedLog;
}

export interface StagedStore {
  /** What is committed; not what this handler has staged. */
  get(key: string, options?: WaitOptions): Promise<StoredValue | undefined>;
  /** Staged. */
  put(key: string, value: unknown, options?: Omit<PutOptions, "signal">): void;
  /** Staged. */
  delete(key: string, options?: Pick<PutOptions, "ifRevision">): void;
}

export interface StagedLog {
  read(stream: string, from?: number, options?: ReadOptions): AsyncIterable<LogValue>;
  /** Staged. */
  append(stream: string, value: unknown, options?: Omit<AppendOptions, "signal">): void;
}

/** Where a handler runs. */
export interface Place {
  /** Aborts when what runs here must end. */
  readonly ending: AbortSignal;
  /** Gives up the handler's share of the capacity for a while. */
  leave(): void;
  retake(): void;
}

const askChecks: Checks<AskOptions> = { timeoutMs: aboveZero, signal: abortSignal };

/** One a handler run; what is not asked for is not made. Its methods work taken apart from it, too. */
export class HandlerContext implements Context {
  readonly #work: Work;
  readonly #place: Place;
  readonly #exchange: Exchange;
  readonly #from: Sender;
  #staging: Staging | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  /** Questions that are open. */
  #asking = 0;
  #isOver = false;
  #forgetEnding: (() => void) | undefined = undefined;
  #failed: Set<unknown> | undefined = undefined;

  constructor(work: Work, exchange: Exchange, from: Sender, place: Place) {
    this.#place = place;
    this.#work = work;
    this.#exchange = exchange;
    this.#from = from;
  }

  get message(): Envelope {
    return this.#work.message;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      if (this.#work.cancelled !== undefined) controller.abort(this.#work.cancelled);
      this.#work.onCancelled = (reason) => controller.abort(reason);
      const { ending } = this.#place;
      this.#forgetEnding = onAbort(ending, () => controller.abort(ending.reason));
    }
    return this.#controller.signal;
  }

  get attempt(): number {
    return this.#work.attempt;
  }

  get budget(): number {
    return this.#work.mandate?.budget?.left ?? Number.POSITIVE_INFINITY;
  }

  get idempotencyKey(): string {
    return this.#work.message.id;
  }

  get fence(): number | undefined {
    return this.#work.claim?.fence;
  }

  /** For this file: where effects go. */
  get staging(): Staging {
    this.#staging ??= new Staging();
    return this.#staging;
  }

  /** For this file: on whose behalf things are sent. */
  get speaker(): Speaker {
    return { from: this.#from, cause: this.#work };
  }

  /** True for the failure of a request that the handler made in its turn. */
  failedWith(error: unknown): error is ColloquyError {
    return this.#failed?.has(error) === true;
  }

  get #failures(): Set<unknown> {
    this.#failed ??= new Set();
    return this.#failed;
  }

  get store(): StagedStore {
    const state = new KeyedState(this.#exchange.site);
    const { space } = this.#exchange.site;
    return {
      get: (key, options) => state.get(key, options),
      put: (key, value, options = {}) => {
        checkOptions(options, stagedPutChecks);
        const written = { key: space.storeKey(key), value: packValue(value) };
        this.staging.stage({ kind: "put", ...written, ...conditionsOf(options) });
      },
      delete: (key, options = {}) => {
        checkOptions(options, stagedDeleteChecks);
        this.staging.stage({ kind: "put", key: space.storeKey(key), ...conditionsOf(options) });
      },
    };
  }

  get log(): StagedLog {
    const history = new OrderedHistory(this.#exchange.site);
    const { space } = this.#exchange.site;
    return {
      read: (stream, from, options) => history.read(stream, from, options),
      append: (stream, value, options = {}) => {
        checkOptions(options, stagedAppendChecks);
        this.staging.stage({
          kind: "append",
          stream: space.stream(stream),
          entries: [packValue(value)],
          ...(options.at === undefined ? {} : { at: options.at }),
        });
      },
    };
  }

  get remainingMs(): Context["remainingMs"] {
    return () => Math.max(0, this.#work.deadlineAtMs - this.#exchange.site.clock.nowMs());
  }

  get progress(): Context["progress"] {
    return (data) => this.#work.progress(data);
  }

  get resumeFrom(): number {
    return this.#work.resumeFrom ?? 0;
  }

  get ask(): Context["ask"] {
    return (question, options = {}) => this.#ask(question, options);
  }

  async #ask(question: unknown, options: AskOptions): Promise<unknown> {
    checkOptions(options, askChecks);
    const work = this.#work;
    if (this.#isOver) throw handlerOver("a question");
    if (work.ask === undefined) throw declined(work.name);
    const { callers } = this.#exchange.deadlocks;
    if (this.#asking++ === 0) {
      callers.leave(this.#from.agent, work);
      this.#place.leave();
    }
    try {
      return await work.ask(question, options);
    } finally {
      if (--this.#asking === 0 && !this.#isOver) {
        this.#place.retake();
        callers.retake(this.#from.agent, work);
      }
    }
  }

  get request(): Context["request"] {
    return (
      to: Address,
      method: string | RequestMember,
      input?: unknown,
      options?: RequestOptions,
    ) => {
      const answer = this.#exchange.request(this.speaker, to, nameOf(method), input, options);
      return answer.catch((error: unknown) => {
        this.#failures.add(error);
        throw error;
      }) as Promise<never>;
    };
  }

  get stream(): Context["stream"] {
    return (to: Address, method: string | StreamMember, input?: unknown, options?: StreamOptions) =>
      this.#exchange.stream(this.speaker, to, nameOf(method), input, options) as StreamReply<
        never,
        never
      >;
  }

  get send(): Context["send"] {
    return (
      to: Address | readonly Address[],
      name: string | CommandMember,
      payload?: unknown,
      options: SendOptions = {},
    ) => {
      // All of them are made before the first is staged: a bad one leaves nothing behind.
      const effects = this.#exchange
        .recipients(to)
        .map((one) => this.#exchange.sendEffect(this.speaker, one, nameOf(name), payload, options));
      for (const effect of effects) this.staging.stage(effect);
    };
  }

  get publish(): Context["publish"] {
    return (topic: string | EventMember, data?: unknown, options: PublishOptions = {}) => {
      const name = nameOf(topic);
      assertTopic(name);
      checkPublish(options);
      const { topics, site } = this.#exchange;
      const message = this.#exchange.event(this.speaker, name, options);
      const frame = topics.encode(data, message());
      this.staging.stage({ kind: "publish", topic: site.space.topic(name), frame }, () =>
        topics.deliver(name, data, message),
      );
    };
  }

  /** The handler has ended. @returns false when it has no place to give back: it has asked, and not waited for the answer. */
  end(): boolean {
    this.#isOver = true;
    return this.#asking === 0;
  }

  /** What was staged, to be committed; nothing more can be staged after. */
  takeEffects(): readonly StagedEffect[] {
    const staged = this.#staging;
    this.#staging = ended;
    this.#forgetEnding?.();
    return staged === undefined ? noEffects : staged.effects;
  }
}

/** What a handler has staged so far; made with the first. */
class Staging {
  readonly effects: StagedEffect[] = [];

  stage(effect: Effect, committed?: () => void): void {
    this.effects.push(committed === undefined ? { effect } : { effect, committed });
  }
}

class Ended extends Staging {
  override stage(effect: Effect): void {
    throw handlerOver(effect.kind);
  }
}

const ended = new Ended();

function handlerOver(what: string): ColloquyError<"CLOSED"> {
  const message = "the handler has returned: nothing can be staged or asked any more";
  return new ColloquyError("CLOSED", message, { details: { effect: what } });
}

function conditionsOf({ ifRevision, ttlMs }: PutOptions): Pick<PutOptions, "ifRevision" | "ttlMs"> {
  return {
    ...(ifRevision === undefined ? {} : { ifRevision }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  };
}

/** @throws INVALID_OPTION for what is neither a text nor a member of a protocol. */
export function nameOf(given: string | { readonly name: string }): string {
  const name: unknown = typeof given === "string" ? given : (given as Partial<Member> | null)?.name;
  if (typeof name === "string" && name !== "") return name;
  throw invalidOption("name", name, "the name of a method, or a member of a protocol");
}
