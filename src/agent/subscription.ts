/** What an agent hears of topics. */
import type { Exchange } from "../exchange/exchange.ts";
import type { Envelope } from "../message/envelope.ts";
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

/** @returns what ends it; how `handler` fails is reported to the network. */
export function hear(
  exchange: Exchange,
  agent: string,
  patternOrEvent: string | EventMember,
  handler: (data: never, context: EventContext) => unknown,
): Promise<() => void> {
  const schema = typeof patternOrEvent === "string" ? undefined : patternOrEvent.data;
  const onError = (error: unknown) =>
    exchange.site.onError(error, `${agent}'s subscription to ${nameOf(patternOrEvent)}`);
  return exchange.topics.subscribe(nameOf(patternOrEvent), (data, topic, message) => {
    const context = new ReceivedEvent(topic, message);
    const handled =
      schema === undefined
        ? handler(data as never, context)
        : hearValid(schema, data, (valid) => handler(valid as never, context));
    if (isPromise(handled)) Promise.resolve(handled).catch(onError);
  });
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
