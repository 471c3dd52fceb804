/** What an agent hears of topics. */
import type { SubscriptionEvents } from "../broker/broker.ts";
import type { ColloquyError } from "../errors.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Subscriber } from "../exchange/topics.ts";
import { abortSignal, aFunction, type Checks, checkOptions } from "../message/checks.ts";
import type { Envelope } from "../message/envelope.ts";
import { onAbort, type WaitOptions } from "../runtime/abort.ts";
import { Deferred } from "../runtime/deferred.ts";
import { nameOf } from "./context.ts";
import { isPromise } from "./handler.ts";
import { type AnySchema, type EventMember, validate } from "./protocol.ts";

/** What came with a published message. */
export interface EventContext {
  readonly topic: string;
  readonly message: Envelope;
}

/** `signal` also ends the subscription later. */
export interface SubscribeOptions extends WaitOptions {
  /**
   * Called when this process was too slow and its hub has dropped so many messages of this
   * subscription: before the next one that comes, or as soon as there is room again.
   */
  readonly onDropped?: (count: number) => void;
}

export interface Subscription {
  /**
   * Resolves when it has ended: with undefined when it was closed, else with the reason. Such as
   * FORBIDDEN, where the broker was lost and does not let this process subscribe any more.
   */
  readonly closed: Promise<ColloquyError | undefined>;
  /** Safe to repeat. */
  close(): void;
}

const subscribeChecks: Checks<SubscribeOptions> = { signal: abortSignal, onDropped: aFunction };

/** Those of one agent. */
export class Subscriptions {
  readonly #exchange: Exchange;
  readonly #agent: string;
  /** Made with the first. */
  #open: Set<Subscription> | undefined;

  constructor(exchange: Exchange, agent: string) {
    this.#exchange = exchange;
    this.#agent = agent;
  }

  /** Until it is closed, or `signal` aborts. @throws INVALID_ADDRESS, INVALID_OPTION, CANCELLED. */
  async open(
    patternOrEvent: string | EventMember,
    handler: (data: never, context: EventContext) => unknown,
    options: SubscribeOptions,
  ): Promise<Subscription> {
    checkOptions(options, subscribeChecks);
    const { signal, onDropped } = options;
    const ended = new Deferred<ColloquyError | undefined>();
    const { site } = this.#exchange;
    const events: SubscriptionEvents = {
      onDropped: (count) => {
        try {
          onDropped?.(count);
        } catch (error) {
          site.onError(error, `onDropped of ${this.#agent}`);
        }
      },
      onEnded: (error) => {
        site.onError(error, `${this.#agent}'s subscription to ${nameOf(patternOrEvent)} ended`);
        finish(error);
      },
    };
    const end = await hear(this.#exchange, this.#agent, patternOrEvent, handler, events, signal);
    let forget = () => {};
    const finish = (error?: ColloquyError) => {
      this.#open?.delete(subscription);
      forget();
      end();
      ended.resolve(error);
    };
    const close = () => finish();
    const subscription = { closed: ended.promise, close };
    this.#open ??= new Set();
    this.#open.add(subscription);
    forget = onAbort(signal, close);
    return subscription;
  }

  close(): void {
    for (const subscription of this.#open ?? []) subscription.close();
  }
}

/** @returns what ends it; how `handler` fails is reported to the network. */
function hear(
  exchange: Exchange,
  agent: string,
  patternOrEvent: string | EventMember,
  handler: (data: never, context: EventContext) => unknown,
  events: SubscriptionEvents,
  signal: AbortSignal | undefined,
): Promise<() => void> {
  const schema = typeof patternOrEvent === "string" ? undefined : patternOrEvent.data;
  const onError = (error: unknown) =>
    exchange.site.onError(error, `${agent}'s subscription to ${nameOf(patternOrEvent)}`);
  const receive: Subscriber = (data, topic, message) => {
    const context = new ReceivedEvent(topic, message);
    const handled =
      schema === undefined
        ? handler(data as never, context)
        : hearValid(schema, data, (valid) => handler(valid as never, context));
    if (isPromise(handled)) Promise.resolve(handled).catch(onError);
  };
  return exchange.topics.subscribe(nameOf(patternOrEvent), receive, events, signal);
}

/** Made for every subscriber; the envelope only for those who look. */
class ReceivedEvent implements EventContext {
  readonly topic: string;
  readonly #message: () => Envelope;

  constructor(topic: string, message: () => Envelope) {
    this.topic = topic;
    this.#message = message;
  }

  get message(): Envelope {
    return this.#message();
  }
}

function hearValid(schema: AnySchema, data: unknown, handle: (valid: unknown) => unknown): unknown {
  const valid = validate(schema, data, "data");
  return isPromise(valid) ? valid.then(handle) : handle(valid);
}
