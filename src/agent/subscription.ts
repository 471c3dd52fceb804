/** What an agent hears of topics. */
import type { Exchange } from "../exchange/exchange.ts";
import type { Subscriber } from "../exchange/topics.ts";
import type { Envelope } from "../message/envelope.ts";
import { onAbort } from "../runtime/abort.ts";
import { nameOf } from "./context.ts";
import { isPromise } from "./handler.ts";
import { type AnySchema, type EventMember, validate } from "./protocol.ts";

/** What came with a published message. */
export interface EventContext {
  readonly topic: string;
  readonly message: Envelope;
}

export interface Subscription {
  /** Safe to repeat. */
  close(): void;
}

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

  /** Until it is closed, or `signal` aborts. @throws INVALID_ADDRESS, CANCELLED. */
  async open(
    patternOrEvent: string | EventMember,
    handler: (data: never, context: EventContext) => unknown,
    signal: AbortSignal | undefined,
  ): Promise<Subscription> {
    const end = await hear(this.#exchange, this.#agent, patternOrEvent, handler, signal);
    let forget = () => {};
    const close = () => {
      this.#open?.delete(subscription);
      forget();
      end();
    };
    const subscription = { close };
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
  return exchange.topics.subscribe(nameOf(patternOrEvent), receive, signal);
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
