/**
 * A broker behind which there is nothing: publications are heard by nobody, no queue takes a message,
 * there is no store and no log. For programs that are to run alone, and to show what refusal looks like.
 */
import type {
  Broker,
  BrokerStatus,
  Capabilities,
  Publication,
  Queues,
  Topics,
} from "../broker/broker.ts";
import { ColloquyError } from "../errors.ts";
import { onAbort } from "../runtime/abort.ts";
import { AsyncQueue } from "../runtime/async-queue.ts";

const capabilities: Capabilities = {
  durability: { level: "none", verified: true, evidence: {} },
  effects: "outbox",
  store: false,
  log: false,
  priorities: false,
  delay: false,
  keyOrder: false,
  exactlyOnce: false,
  frameBytesMax: 2 ** 20,
};

export class NullBroker implements Broker {
  readonly name = "null";
  readonly capabilities: Capabilities = capabilities;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly store = undefined;
  readonly log = undefined;
  readonly #end = new AbortController();

  constructor() {
    const whileOpen = <Value>(value: Value | Promise<Value>): Promise<Value> => {
      return this.#end.signal.aborted ? Promise.reject(closed()) : Promise.resolve(value);
    };
    this.topics = {
      publish: tellUnheard,
      subscribe: () => whileOpen(undefined),
    };
    this.queues = {
      declare: () => whileOpen(undefined),
      remove: () => whileOpen(undefined),
      mailboxes: () => whileOpen([]),
      enqueue: (queue, messages) => whileOpen(messages.map(() => notDeclared(queue))),
      receive: (_queue, _options, signal) =>
        emptyAfter(() => whileOpen(aborted(signal, this.#end.signal))),
      settle: (settlements) => whileOpen(settlements.map(() => ({ kind: "stale" }) as const)),
      report: (reports) => whileOpen(reports.map(() => ({ kind: "stale" }) as const)),
      cancel: () => whileOpen("unknown" as const),
      answer: () => whileOpen("unknown" as const),
      track: () => whileOpen({ state: "unknown" } as const),
      browse: () => emptyAfter(() => whileOpen(undefined)),
      deadLetters: () => emptyAfter(() => whileOpen(undefined)),
      replay: () => whileOpen(0),
      purge: () => whileOpen(0),
    };
  }

  async *statuses(signal: AbortSignal): AsyncGenerator<BrokerStatus> {
    if (!this.#end.signal.aborted) {
      yield { kind: "ready" };
      await aborted(signal, this.#end.signal);
    }
    if (this.#end.signal.aborted) yield { kind: "closed" };
  }

  close(): Promise<void> {
    this.#end.abort();
    return Promise.resolve();
  }
}

function tellUnheard(publications: readonly Publication[]): void {
  for (const publication of publications) publication.onUnheard?.(false);
}

function notDeclared(queue: string) {
  const error = new ColloquyError("NO_ELIGIBLE_AGENT", `no mailbox ${queue}: there is nobody`);
  return { kind: "rejected", error: error.toJSON() } as const;
}

/** Yields nothing, and ends as `wait` does. */
function emptyAfter(wait: () => Promise<unknown>): AsyncIterable<never> {
  const next = async (): Promise<IteratorResult<never, undefined>> => {
    await wait();
    return { done: true, value: undefined };
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

function closed(): ColloquyError<"CLOSED"> {
  return new ColloquyError("CLOSED", "the broker null is closed");
}

/** Resolves when the first of `signals` has aborted. */
async function aborted(...signals: readonly AbortSignal[]): Promise<void> {
  const wake = new AsyncQueue<never>();
  const forget = signals.map((signal) => onAbort(signal, () => wake.end()));
  await wake.next();
  for (const each of forget) each();
}
