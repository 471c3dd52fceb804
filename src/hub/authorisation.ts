/**
 * What a client may do: a broker that asks before it does anything, in the one place that everything a
 * session does goes through. It is asked about what is concretely meant: a topic, a pattern, a mailbox,
 * a key, a prefix, a stream.
 *
 *   publish SUBJECT     a topic               enqueue, receive, declare, remove, track, cancel, answer,
 *   subscribe SUBJECT   a pattern               browse SUBJECT          a mailbox
 *   get, put SUBJECT    a key                 mailboxes, dead-letters   ""
 *   list, watch SUBJECT a prefix              append, read SUBJECT      a stream
 */
import type {
  Broker,
  BrokerStatus,
  Capabilities,
  Effect,
  EnqueueOutcome,
  Log,
  Publication,
  Queues,
  Store,
  Topics,
} from "../broker/broker.ts";
import { ColloquyError, type ErrorInfo, errorInfo } from "../errors.ts";

export type Action =
  | "publish"
  | "subscribe"
  | "enqueue"
  | "receive"
  | "declare"
  | "remove"
  | "mailboxes"
  | "track"
  | "cancel"
  | "answer"
  | "browse"
  | "dead-letters"
  | "get"
  | "put"
  | "list"
  | "watch"
  | "append"
  | "read";

/** Whether it may be done. Must be quick, and not throw. */
export type Allows = (action: Action, subject: string) => boolean;

export class AuthorisedBroker implements Broker {
  readonly #broker: Broker;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly store: Store | undefined;
  readonly log: Log | undefined;

  constructor(broker: Broker, allows: Allows) {
    this.#broker = broker;
    this.topics = authorisedTopics(broker.topics, allows);
    this.queues = authorisedQueues(broker.queues, allows);
    this.store = broker.store && authorisedStore(broker.store, allows);
    this.log = broker.log && authorisedLog(broker.log, allows);
  }

  get name(): string {
    return this.#broker.name;
  }

  get capabilities(): Capabilities {
    return this.#broker.capabilities;
  }

  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    return this.#broker.statuses(signal);
  }

  close(): Promise<void> {
    return this.#broker.close();
  }
}

function forbidden(action: Action, subject: string): ColloquyError<"FORBIDDEN"> {
  return new ColloquyError("FORBIDDEN", `${action} ${subject} is not allowed`, {
    details: { action, subject },
  });
}

function authorisedTopics(topics: Topics, allows: Allows): Topics {
  const check = checker(allows);
  /** What needs no answer goes nowhere, as if nobody listened. */
  const mayGo = (publication: Publication): boolean => {
    if (allows("publish", publication.topic)) return true;
    publication.onUnheard?.(false);
    return false;
  };
  return {
    publish: (publications) => topics.publish(publications.filter(mayGo)),
    subscribe: async (pattern, receive, signal, events) => {
      check("subscribe", pattern);
      await topics.subscribe(pattern, receive, signal, events);
    },
    ...(topics.overhear === undefined
      ? {}
      : {
          overhear: async (pattern, receive, signal) => {
            check("subscribe", pattern);
            await topics.overhear?.(pattern, receive, signal);
          },
        }),
    // Without a look-out a client publishes what nobody hears, and is told each time.
  };
}

function authorisedQueues(queues: Queues, allows: Allows): Queues {
  const check = checker(allows);
  return {
    declare: async (names, signal) => {
      for (const name of names) check("declare", name);
      await queues.declare(names, signal);
    },
    remove: async (names, signal) => {
      for (const name of names) check("remove", name);
      await queues.remove(names, signal);
    },
    mailboxes: async (signal) => {
      check("mailboxes", "");
      return queues.mailboxes(signal);
    },
    enqueue: async (queue, messages, signal) => {
      if (allows("enqueue", queue)) return queues.enqueue(queue, messages, signal);
      const error = errorInfo(forbidden("enqueue", queue));
      return messages.map((): EnqueueOutcome => ({ kind: "rejected", error }));
    },
    receive: async function* (queue, options, signal) {
      check("receive", queue);
      yield* queues.receive(queue, options, signal);
    },
    // Fences count up, and could be guessed: only who may receive from a mailbox says what became of its messages.
    settle: (settlements) =>
      passAllowed(
        settlements,
        ({ queue, effects = [] }) => refusalOf([["receive", queue], ...effects.map(asked)], allows),
        (allowed) => queues.settle(allowed),
      ),
    report: (reports) =>
      passAllowed(
        reports,
        ({ queue }) => refusalOf([["receive", queue]], allows),
        (allowed) => queues.report(allowed),
      ),
    cancel: async (queue, position, options) => {
      check("cancel", queue);
      return queues.cancel(queue, position, options);
    },
    answer: async (queue, position, answer, signal) => {
      check("answer", queue);
      return queues.answer(queue, position, answer, signal);
    },
    track: async (queue, position, options) => {
      check("track", queue);
      return queues.track(queue, position, options);
    },
    browse: async function* (queue, range, signal) {
      check("browse", queue);
      yield* queues.browse(queue, range, signal);
    },
    deadLetters: async function* (range, signal) {
      check("dead-letters", "");
      yield* queues.deadLetters(range, signal);
    },
    replay: async (numbers, signal) => {
      check("dead-letters", "");
      return queues.replay(numbers, signal);
    },
    purge: async (numbers, signal) => {
      check("dead-letters", "");
      return queues.purge(numbers, signal);
    },
  };
}

type Refused = { readonly kind: "refused"; readonly error: ErrorInfo };

/**
 * Passes on what is allowed, and answers for the rest. A settlement with a forbidden effect is refused as
 * a whole: an effect is made with its message or not at all.
 */
async function passAllowed<Item, Outcome>(
  items: readonly Item[],
  refusal: (item: Item) => ColloquyError | undefined,
  pass: (allowed: readonly Item[]) => Promise<readonly Outcome[]>,
): Promise<readonly (Outcome | Refused)[]> {
  const refusals = items.map(refusal);
  if (refusals.every((error) => error === undefined)) return pass(items);
  const allowed = items.filter((_, index) => refusals[index] === undefined);
  const outcomes = [...(allowed.length === 0 ? [] : await pass(allowed))];
  return refusals.map((error) =>
    error === undefined
      ? (outcomes.shift() as Outcome)
      : { kind: "refused", error: errorInfo(error) },
  );
}

function refusalOf(
  questions: readonly (readonly [Action, string])[],
  allows: Allows,
): ColloquyError | undefined {
  for (const [action, subject] of questions) {
    if (!allows(action, subject)) return forbidden(action, subject);
  }
  return undefined;
}

function asked(effect: Effect): readonly [Action, string] {
  switch (effect.kind) {
    case "enqueue":
      return ["enqueue", effect.queue];
    case "publish":
      return ["publish", effect.topic];
    case "put":
      return ["put", effect.key];
    case "append":
      return ["append", effect.stream];
  }
}

function authorisedStore(store: Store, allows: Allows): Store {
  const check = checker(allows);
  return {
    get: async (keys, signal) => {
      for (const key of keys) check("get", key);
      return store.get(keys, signal);
    },
    put: async (writes, signal) => {
      for (const { key } of writes) check("put", key);
      return store.put(writes, signal);
    },
    list: async function* (prefix, signal) {
      check("list", prefix);
      yield* store.list(prefix, signal);
    },
    watch: async (prefix, change, signal, onEnded) => {
      check("watch", prefix);
      await store.watch(prefix, change, signal, onEnded);
    },
  };
}

function authorisedLog(log: Log, allows: Allows): Log {
  const check = checker(allows);
  return {
    append: async (stream, entries, at, signal) => {
      check("append", stream);
      return log.append(stream, entries, at, signal);
    },
    read: async function* (stream, from, options, signal) {
      check("read", stream);
      yield* log.read(stream, from, options, signal);
    },
  };
}

function checker(allows: Allows): (action: Action, subject: string) => void {
  return (action, subject) => {
    if (!allows(action, subject)) throw forbidden(action, subject);
  };
}
