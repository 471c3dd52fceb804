/**
 * A broker behind a gate: what cannot be right is refused before any I/O, calls in flight are counted
 * and bounded, and nothing passes once it is closed. Publications go straight through.
 */
import { ColloquyError } from "../errors.ts";
import { assertPattern } from "../message/topic.ts";
import { brokerStatus } from "../observe/signals.ts";
import { throwIfAborted } from "../runtime/abort.ts";
import type {
  AppendOutcome,
  Broker,
  BrokerStatus,
  Capabilities,
  Log,
  Queues,
  Store,
  StorePutOutcome,
  Topics,
} from "./broker.ts";
import { CallChecks, unsupported, wholeAtLeast } from "./checks.ts";

export interface GuardOptions {
  /** Calls that may wait for an answer at a time, 1 or more; more are refused with QUEUE_FULL. Default: 262,144. */
  readonly callsInFlightMax?: number;
}

const callsInFlightDefault = 2 ** 18;

export class GuardedBroker implements Broker {
  readonly name: string;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly store: Store | undefined;
  readonly log: Log | undefined;
  readonly #inner: Broker;
  readonly #gate: Gate;
  readonly #ending = new AbortController();
  #closing: Promise<void> | undefined;

  /** @param inner - open, and from now on this one's to close. */
  constructor(inner: Broker, { callsInFlightMax = callsInFlightDefault }: GuardOptions = {}) {
    const gate = new Gate(inner.name, callsInFlightMax);
    const checks = new CallChecks(inner.name, () => inner.capabilities);
    this.name = inner.name;
    this.topics = guardTopics(inner.topics, gate);
    this.queues = guardQueues(inner.queues, gate, checks);
    this.store = inner.store && guardStore(inner.store, gate, checks);
    this.log = inner.log && guardLog(inner.log, gate, checks);
    this.#inner = inner;
    this.#gate = gate;
    this.#tellStatuses().catch(() => {});
  }

  get capabilities(): Capabilities {
    return this.#inner.capabilities;
  }

  /** Calls that wait for an answer now. Subscriptions, receivers and waits for a final state do not count. */
  get callsInFlight(): number {
    return this.#gate.inFlight;
  }

  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    return this.#inner.statuses(signal);
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#gate.close();
      this.#closing = this.#inner.close().finally(() => this.#ending.abort());
    }
    return this.#closing;
  }

  async #tellStatuses(): Promise<void> {
    for await (const status of this.#inner.statuses(this.#ending.signal)) {
      if (!brokerStatus.heard) continue;
      const { kind } = status;
      const cause = kind === "ready" ? undefined : status.cause;
      brokerStatus.tell({
        broker: this.name,
        status: kind,
        ...(cause === undefined ? {} : { cause }),
        ...(status.kind === "lost" ? attemptOf(status) : {}),
      });
    }
  }
}

function attemptOf({ attempt, delayMs }: Extract<BrokerStatus, { readonly kind: "lost" }>) {
  return {
    ...(attempt === undefined ? {} : { attempt }),
    ...(delayMs === undefined ? {} : { delayMs }),
  };
}

/** The broker's store. @throws UNSUPPORTED naming the broker where it has none. */
export function storeOf({ name, store }: Broker): Store {
  if (store === undefined) throw unsupported(name, "store");
  return store;
}

/** The broker's log. @throws UNSUPPORTED naming the broker where it has none. */
export function logOf({ name, log }: Broker): Log {
  if (log === undefined) throw unsupported(name, "log");
  return log;
}

/** Counts who is inside, and lets nobody in any more once it is closed. */
class Gate {
  inFlight = 0;
  readonly #broker: string;
  readonly #inFlightMax: number;
  readonly #leave = (): void => {
    this.inFlight--;
  };
  #closed = false;

  constructor(broker: string, inFlightMax: number) {
    this.#broker = broker;
    this.#inFlightMax = inFlightMax;
  }

  close(): void {
    this.#closed = true;
  }

  /** Checks, then calls. Whatever either throws becomes a rejection. */
  call<Value>(check: () => void, call: () => Promise<Value>, signal?: AbortSignal): Promise<Value> {
    if (this.inFlight >= this.#inFlightMax) return Promise.reject(this.#full());
    return this.wait(
      check,
      () => {
        const promise = call();
        this.inFlight++;
        promise.then(this.#leave, this.#leave);
        return promise;
      },
      signal,
    );
  }

  /** As `call`, for what may wait for ever and is therefore not counted. */
  wait<Value>(check: () => void, call: () => Promise<Value>, signal?: AbortSignal): Promise<Value> {
    try {
      this.assertOpen(signal);
      check();
      return call();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As `call`, for what is iterated: the refusal comes with the first step. */
  iterate<Item>(check: () => void, call: () => AsyncIterable<Item>): AsyncIterable<Item> {
    try {
      this.assertOpen(undefined);
      check();
      return call();
    } catch (error) {
      return refusal(error);
    }
  }

  /** @throws CLOSED; CANCELLED when `signal` has aborted. */
  assertOpen(signal: AbortSignal | undefined): void {
    if (this.#closed) throw new ColloquyError("CLOSED", `the broker ${this.#broker} is closed`);
    throwIfAborted(signal);
  }

  #full(): ColloquyError<"QUEUE_FULL"> {
    const limit = this.#inFlightMax;
    return new ColloquyError("QUEUE_FULL", `callsInFlightMax ${limit} is reached`, {
      details: { field: "callsInFlightMax", limit, broker: this.#broker },
    });
  }
}

function refusal(error: unknown): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

const unchecked = () => {};

function guardTopics(inner: Topics, gate: Gate): Topics {
  return {
    publish: (publications) => inner.publish(publications),
    subscribe: (pattern, receive, signal, events) =>
      gate.call(
        () => assertPattern(pattern, "internal"),
        () => inner.subscribe(pattern, receive, signal, events),
        signal,
      ),
    ...(inner.hasRoom && { hasRoom: inner.hasRoom.bind(inner) }),
    ...(inner.reaches && { reaches: inner.reaches.bind(inner) }),
    ...(inner.onReached && { onReached: inner.onReached.bind(inner) }),
  };
}

function guardQueues(inner: Queues, gate: Gate, checks: CallChecks): Queues {
  return {
    declare: (queues, signal) =>
      gate.call(
        () => checks.queues(queues),
        () => inner.declare(queues, signal),
        signal,
      ),
    remove: (queues, signal) =>
      gate.call(
        () => checks.queues(queues),
        () => inner.remove(queues, signal),
        signal,
      ),
    mailboxes: (signal) => gate.call(unchecked, () => inner.mailboxes(signal), signal),
    enqueue: (queue, messages, signal) =>
      gate.call(
        () => {
          checks.queue(queue);
          for (const message of messages) checks.message(message);
        },
        () => inner.enqueue(queue, messages, signal),
        signal,
      ),
    receive: (queue, options, signal) =>
      gate.iterate(
        () => checks.receive(queue, options),
        () => inner.receive(queue, options, signal),
      ),
    settle: (settlements) =>
      gate.call(
        () => {
          for (const settlement of settlements) checks.settlement(settlement);
        },
        () => inner.settle(settlements),
      ),
    report: (reports) =>
      gate.call(
        () => {
          for (const report of reports) checks.report(report);
        },
        () => inner.report(reports),
      ),
    cancel: (queue, position, options = {}) =>
      gate.wait(
        () => {
          checks.queue(queue);
          wholeAtLeast("position", position, 0);
        },
        () => inner.cancel(queue, position, options),
        options.signal,
      ),
    answer: (queue, position, answer, signal) =>
      gate.call(
        () => {
          checks.queue(queue);
          wholeAtLeast("position", position, 0);
          wholeAtLeast("number", answer.number, 1);
          checks.frame("answer", answer.data);
        },
        () => inner.answer(queue, position, answer, signal),
        signal,
      ),
    track: (queue, position, options = {}) => {
      // As often as messages are sent, so that closures would be felt.
      try {
        gate.assertOpen(options.signal);
        checks.queue(queue);
        wholeAtLeast("position", position, 0);
        return inner.track(queue, position, options);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    browse: (queue, range, signal) =>
      gate.iterate(
        () => {
          checks.queue(queue);
          checks.range(range);
        },
        () => inner.browse(queue, range, signal),
      ),
    deadLetters: (range, signal) =>
      gate.iterate(
        () => checks.range(range),
        () => inner.deadLetters(range, signal),
      ),
    replay: (deadLetters, signal) =>
      gate.call(unchecked, () => inner.replay(deadLetters, signal), signal),
    purge: (deadLetters, signal) =>
      gate.call(unchecked, () => inner.purge(deadLetters, signal), signal),
  };
}

function guardStore(inner: Store, gate: Gate, checks: CallChecks): Store {
  return {
    get: (keys, signal) =>
      gate.call(
        () => checks.keys(keys),
        () => inner.get(keys, signal),
        signal,
      ),
    put: (writes, signal): Promise<StorePutOutcome> =>
      gate.call(
        () => {
          for (const write of writes) checks.write(write);
        },
        () => inner.put(writes, signal),
        signal,
      ),
    list: (prefix, signal) => gate.iterate(unchecked, () => inner.list(prefix, signal)),
    watch: (prefix, change, signal, onEnded) =>
      gate.call(unchecked, () => inner.watch(prefix, change, signal, onEnded), signal),
  };
}

function guardLog(inner: Log, gate: Gate, checks: CallChecks): Log {
  return {
    append: (stream, entries, at, signal): Promise<AppendOutcome> =>
      gate.call(
        () => checks.append(stream, entries, at),
        () => inner.append(stream, entries, at, signal),
        signal,
      ),
    read: (stream, from, options, signal) =>
      gate.iterate(
        () => {
          checks.key("stream", stream);
          wholeAtLeast("from", from, 1);
        },
        () => inner.read(stream, from, options, signal),
      ),
  };
}
