/** An identity with an inbox, handlers, capabilities, capacity and a state that others can see. */

import { RateLimit } from "../delivery/rate-limit.ts";
import { SendWindow } from "../delivery/window.ts";
import type { ColloquyError } from "../errors.ts";
import type { Receipt } from "../exchange/commands/receipt.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { closed } from "../exchange/failures.ts";
import type {
  AttachOptions,
  CallOptions,
  PublishOptions,
  RequestOptions,
  SendOptions,
  StreamOptions,
} from "../exchange/options.ts";
import { askToCancel, attachTo } from "../exchange/requests/attaching.ts";
import type { Call, CancelOutcome, StreamReply } from "../exchange/requests/stream.ts";
import type { Speaker } from "../exchange/speaker.ts";
import type { LocalAgent } from "../exchange/work.ts";
import type { Address } from "../message/address.ts";
import { aFunction, signalOf } from "../message/checks.ts";
import type { AgentCard, AgentStatus } from "../routing/card.ts";
import { throwIfAborted, type WaitOptions, withAbort } from "../runtime/abort.ts";
import type { AgentSettings } from "./agent-options.ts";
import { type Client, makeClient } from "./client.ts";
import type { Context } from "./context.ts";
import { nameOf } from "./context.ts";
import type { BatchHandler, BatchHandlerOptions, HandlerOptions } from "./handler.ts";
import { Handlers, type Registration } from "./handlers.ts";
import type { Implementation } from "./implementation.ts";
import { Inbox } from "./inbox.ts";
import { multicast, type Receipts } from "./multicast.ts";
import type {
  AnySchema,
  CommandMember,
  EventMember,
  Given,
  Member,
  Protocol,
  RequestMember,
  StreamMember,
  Taken,
} from "./protocol.ts";
import {
  type EventContext,
  type SubscribeOptions,
  type Subscription,
  Subscriptions,
} from "./subscription.ts";

/** What an agent needs of the network it belongs to. */
export interface AgentHome {
  readonly exchange: Exchange;
  /** Tells the others about a changed card; resolves when they know. Never rejects. */
  announce(agent: Agent): Promise<void>;
  /** Lets go of a closed agent; resolves when the others know. */
  release(agent: Agent): Promise<void>;
}

/** Of all who have no capability, however many they are. */
const nothing: readonly string[] = Object.freeze([]);

export class Agent {
  readonly weight: number;
  readonly startedMs: number;
  readonly #home: AgentHome;
  readonly #exchange: Exchange;
  /** Made with the first thing that it says. */
  #voice: Speaker | undefined;
  /** Those that it came with. */
  readonly #capabilities: readonly string[];
  /** Made with the first. */
  #handlers: Handlers | undefined;
  readonly #inbox: Inbox;
  readonly #window: SendWindow | undefined;
  /** Made with the first. */
  #subscriptions: Subscriptions | undefined;
  #status: AgentStatus = "active";
  #reason: string | undefined;
  #announced: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Nothing of it runs any more. */
  #closed = false;

  constructor(home: AgentHome, id: string, options: AgentSettings) {
    const { site } = home.exchange;
    this.weight = options.weight;
    this.startedMs = site.clock.nowMs();
    this.#home = home;
    this.#exchange = home.exchange;
    const { capacity, waitingMax } = options;
    const rateLimit = options.rateLimit && new RateLimit(options.rateLimit, site.clock);
    const self = Object.freeze({ agent: id, type: options.type, instance: site.instance });
    this.#inbox = new Inbox(this.#exchange, self, { capacity, waitingMax, rateLimit });
    this.#capabilities = listOnce(options.capabilities);
    this.#window = options.sendWindow && new SendWindow(options.sendWindow);
  }

  get id(): string {
    return this.#inbox.id;
  }

  get type(): string {
    return this.#inbox.type;
  }

  get capacity(): number {
    return this.#inbox.capacity;
  }

  /** As the others see it. */
  get card(): AgentCard {
    return {
      id: this.id,
      type: this.type,
      capabilities: this.capabilities,
      capacity: this.capacity,
      weight: this.weight,
      status: this.#status,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      startedMs: this.startedMs,
    };
  }

  get capabilities(): readonly string[] {
    return this.#handlers?.capabilities ?? this.#capabilities;
  }

  /** Handlers running and work waiting for one. */
  get load(): number {
    return this.#inbox.load;
  }

  /**
   * Takes requests and commands of this name. The agent's mailboxes (its own, its type's and one for
   * each capability) come into being with the first handler and stay until they are removed.
   *
   * @throws CONFLICT when there is a handler of this name, INVALID_OPTION for a bad policy.
   */
  handle<Input extends AnySchema, Output extends AnySchema>(
    member: RequestMember<Input, Output> | CommandMember<Input, Output>,
    handler: BatchHandler<Taken<Input>, Given<Output>>,
    options: BatchHandlerOptions,
  ): Registration;
  handle<Input = unknown>(
    name: string,
    handler: BatchHandler<Input>,
    options: BatchHandlerOptions,
  ): Registration;
  handle<Input extends AnySchema, Output extends AnySchema>(
    member: RequestMember<Input, Output> | CommandMember<Input, Output>,
    handler: (input: Taken<Input>, context: Context) => Given<Output> | Promise<Given<Output>>,
    options?: HandlerOptions,
  ): Registration;
  handle<Input extends AnySchema, Chunk extends AnySchema, Output extends AnySchema>(
    member: StreamMember<Input, Chunk, Output>,
    handler: (input: Taken<Input>, context: Context) => AsyncIterable<Given<Chunk>>,
    options?: HandlerOptions,
  ): Registration;
  handle<Input = unknown>(
    name: string,
    handler: (input: Input, context: Context) => unknown,
    options?: HandlerOptions,
  ): Registration;
  handle(
    nameOrMember: string | Member,
    handler: unknown,
    options: HandlerOptions | BatchHandlerOptions = {},
  ): Registration {
    this.#assertStaying();
    return this.#answering.handle(nameOrMember, handler, options);
  }

  /**
   * Implements members of a protocol, all or some, or none of them where it throws. Each implemented
   * member's name becomes a capability, so that `skill:risk.assess` finds the agent, until the
   * registration is closed.
   *
   * @param options - of each handler; members that need others are served by a call of their own.
   * @throws CONFLICT when there is a handler of such a name, INVALID_OPTION for what is no member.
   */
  serve<Of extends Protocol>(
    contract: Of,
    implementation: Implementation<Of>,
    options: HandlerOptions = {},
  ): Registration {
    this.#assertStaying();
    const registration = this.#answering.serve(contract, implementation, options);
    this.#announced = this.#home.announce(this);
    return {
      close: () => {
        registration.close();
        this.#announced = this.#home.announce(this);
      },
    };
  }

  /**
   * Resolves once mailboxes are declared and being worked, and this agent's card is where the others
   * watch: they know it then, or over a server a moment later.
   *
   * @throws CANCELLED, and what the broker said to the declaration.
   */
  async ready(options: WaitOptions = {}): Promise<void> {
    const signal = signalOf(options);
    throwIfAborted(signal);
    await withAbort(Promise.all([this.#handlers?.duty?.ready(), this.#announced]), signal);
  }

  /**
   * Hears what is published on topics that match, from here on, until it is closed, `signal` aborts or
   * the agent closes. `*` is one token, a last `>` the rest.
   *
   * @throws INVALID_ADDRESS when the pattern is none, CANCELLED, CLOSED.
   */
  subscribe<Data extends AnySchema>(
    event: EventMember<Data>,
    handler: (data: Taken<Data>, context: EventContext) => unknown,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  subscribe(
    pattern: string,
    handler: (data: unknown, context: EventContext) => unknown,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  async subscribe(
    patternOrEvent: string | EventMember,
    handler: (data: never, context: EventContext) => unknown,
    options: SubscribeOptions = {},
  ): Promise<Subscription> {
    this.#assertStaying();
    aFunction("handler", handler);
    this.#subscriptions ??= new Subscriptions(this.#exchange, this.id);
    const subscription = await this.#subscriptions.open(patternOrEvent, handler, options);
    if (this.#closing !== undefined) subscription.close();
    this.#assertStaying();
    return subscription;
  }

  /**
   * Asks one agent and resolves with its answer.
   *
   * @throws NO_ELIGIBLE_AGENT, AGENT_UNREACHABLE, NO_HANDLER, TIMEOUT (with `details.outcome`),
   *   CANCELLED, HANDLER_FAILED or the `ColloquyError` that the handler threw.
   */
  request<Input extends AnySchema, Output extends AnySchema>(
    to: Address,
    member: RequestMember<Input, Output>,
    input: Given<Input>,
    options?: RequestOptions,
  ): Promise<Taken<Output>>;
  request(to: Address, method: string, input?: unknown, options?: RequestOptions): Promise<unknown>;
  request(
    to: Address,
    method: string | RequestMember,
    input?: unknown,
    options?: RequestOptions,
  ): Promise<unknown> {
    if (this.#closed) return Promise.reject(this.#closedError());
    return this.#exchange.request(this.#speaker, to, nameOf(method), input, options);
  }

  /**
   * Asks one agent, as `request` does, once: without `retry`, `fallback` and `durable`. What it gives
   * back has the id of the work, the answer as `result`, and `cancel()`, which tells what came of it.
   *
   * @throws NO_ELIGIBLE_AGENT, AGENT_UNREACHABLE, INVALID_ADDRESS, INVALID_OPTION; all else rejects `result`.
   */
  call<Input extends AnySchema, Output extends AnySchema>(
    to: Address,
    member: RequestMember<Input, Output>,
    input: Given<Input>,
    options?: CallOptions,
  ): Call<Taken<Output>>;
  call(to: Address, method: string, input?: unknown, options?: CallOptions): Call;
  call(to: Address, method: string | RequestMember, input?: unknown, options?: CallOptions): Call {
    this.#assertOpen();
    return this.#exchange.call(this.#speaker, to, nameOf(method), input, options);
  }

  /** Waits again for a request or stream: see `Network.attach`. */
  attach(id: string, options?: AttachOptions): StreamReply {
    this.#assertOpen();
    return attachTo(this.#exchange.asker(this.#inbox.self), id, options);
  }

  /** Cancels a request or stream: see `Network.cancel`. */
  async cancel(id: string, options?: WaitOptions): Promise<CancelOutcome> {
    this.#assertOpen();
    return askToCancel(this.#exchange.asker(this.#inbox.self), id, options);
  }

  /** Asks one agent for an answer in chunks; leaving the loop cancels. */
  stream<Input extends AnySchema, Chunk extends AnySchema, Output extends AnySchema>(
    to: Address,
    member: StreamMember<Input, Chunk, Output>,
    input: Given<Input>,
    options?: StreamOptions,
  ): StreamReply<Taken<Chunk>, Taken<Output>>;
  stream(to: Address, method: string, input?: unknown, options?: StreamOptions): StreamReply;
  stream(
    to: Address,
    method: string | StreamMember,
    input?: unknown,
    options?: StreamOptions,
  ): StreamReply {
    this.#assertOpen();
    return this.#exchange.stream(this.#speaker, to, nameOf(method), input, options);
  }

  /**
   * Puts a command into a mailbox; resolves once it is stored.
   *
   * @returns one receipt; for an array or an `all:` address, what became of it at each recipient.
   * @throws NO_ELIGIBLE_AGENT when the mailbox was never declared, DURABILITY_UNAVAILABLE,
   *   QUEUE_FULL, STORE_FAILED, or INDETERMINATE when nobody knows whether it was stored.
   */
  send<Input extends AnySchema, Output extends AnySchema>(
    to: Exclude<Address, `all:${string}`>,
    member: CommandMember<Input, Output>,
    payload: Given<Input>,
    options?: SendOptions,
  ): Promise<Receipt<Taken<Output>>>;
  send<Input extends AnySchema, Output extends AnySchema>(
    to: readonly Address[] | `all:${string}`,
    member: CommandMember<Input, Output>,
    payload: Given<Input>,
    options?: SendOptions,
  ): Promise<Receipts<Taken<Output>>>;
  send(
    to: Exclude<Address, `all:${string}`>,
    name: string,
    payload?: unknown,
    options?: SendOptions,
  ): Promise<Receipt>;
  send(
    to: readonly Address[] | `all:${string}`,
    name: string,
    payload?: unknown,
    options?: SendOptions,
  ): Promise<Receipts>;
  send(
    to: Address | readonly Address[],
    name: string | CommandMember,
    payload?: unknown,
    options?: SendOptions,
  ): Promise<Receipt | Receipts> {
    if (this.#closed) return Promise.reject(this.#closedError());
    if (typeof to !== "string" || to.startsWith("all:")) {
      return this.#sendToMany(to, nameOf(name), payload, options);
    }
    return this.#sendToOne(to, nameOf(name), payload, options);
  }

  /** Tells whoever is subscribed now; not kept. Resolves when it is on its way. */
  publish<Data extends AnySchema>(
    event: EventMember<Data>,
    data: Given<Data>,
    options?: PublishOptions,
  ): Promise<void>;
  publish(topic: string, data?: unknown, options?: PublishOptions): Promise<void>;
  async publish(
    topic: string | EventMember,
    data?: unknown,
    options?: PublishOptions,
  ): Promise<void> {
    this.#assertOpen();
    this.#exchange.publish(this.#speaker, nameOf(topic), data, options);
  }

  /** A protocol's members as functions. */
  client<Of extends Protocol>(contract: Of): Client<Of> {
    return makeClient(this, contract);
  }

  /** Tells the others that this agent must not be chosen, or may be again. @throws CLOSED. */
  setStatus(status: AgentStatus, reason?: string): void {
    this.#assertStaying();
    this.#status = status;
    this.#reason = reason;
    this.#announced = this.#home.announce(this);
  }

  /** For the network: what takes the work that is for this agent. */
  get inbox(): LocalAgent {
    return this.#inbox;
  }

  /**
   * Stops taking work, lets what runs end, and leaves the network. Handlers may ask and send through it
   * until they have ended; from then on whatever it is asked to do is refused with CLOSED. Requests that
   * it has made are answered all the same. Safe to repeat.
   */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** What would outlast its leaving is refused as soon as it begins to leave. */
  #assertStaying(): void {
    if (this.#closing !== undefined) throw this.#closedError();
  }

  get #answering(): Handlers {
    this.#handlers ??= new Handlers(this.#exchange, this.#inbox, this.#capabilities);
    return this.#handlers;
  }

  get #speaker(): Speaker {
    this.#voice ??= Object.freeze({ from: this.#inbox.self, cause: undefined });
    return this.#voice;
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  #closedError(): ColloquyError<"CLOSED"> {
    return closed(`agent ${this.id}`);
  }

  async #sendToMany(
    to: Address | readonly Address[],
    name: string,
    payload: unknown,
    options: SendOptions | undefined,
  ): Promise<Receipts> {
    return multicast(this.#exchange.recipients(to), (one) =>
      this.#sendToOne(one, name, payload, options),
    );
  }

  #sendToOne(
    to: Address,
    name: string,
    payload: unknown,
    options: SendOptions | undefined,
  ): Promise<Receipt> {
    if (this.#window === undefined) {
      return this.#exchange.send(this.#speaker, to, name, payload, options);
    }
    const send = () => this.#exchange.send(this.#speaker, to, name, payload, options);
    return this.#window.run(to, send, options?.signal);
  }

  /** For the network, which knows of the others: whether this is the youngest life of the agent. */
  stand(isYoungest: boolean): void {
    // Who has no handlers must know later that it stands aside.
    if (this.#handlers !== undefined || !isYoungest) this.#answering.stand(isYoungest);
  }

  /** For the network, which closes: handlers that still run are told that it is over. */
  interrupt(): void {
    const error = this.#closedError();
    this.#handlers?.duty?.interrupt(error);
    this.#inbox.interrupt(error);
  }

  async #drain(): Promise<void> {
    this.#status = "draining";
    this.#announced = this.#home.announce(this);
    this.#subscriptions?.close();
    const error = this.#closedError();
    this.#handlers?.duty?.stop(error);
    this.#window?.close(error);
    await this.#inbox.drain(error);
    this.#closed = true;
    await this.#handlers?.duty?.close();
    await this.#home.release(this);
  }
}

function listOnce(capabilities: readonly string[]): readonly string[] {
  return capabilities.length === 0 ? nothing : Object.freeze([...new Set(capabilities)]);
}
