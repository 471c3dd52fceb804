/**
 * A broker that fails now and then, by seed: for rehearsals of programs that must live with it. Its
 * faults are those that the contract allows, and it never lies: what it calls rejected was not done,
 * what it calls indeterminate may have been.
 */
import type {
  AppendOutcome,
  Broker,
  BrokerStatus,
  Capabilities,
  EnqueueOutcome,
  Log,
  QueuedMessage,
  Queues,
  Report,
  ReportOutcome,
  Settlement,
  SettleOutcome,
  Store,
  StorePutOutcome,
  StoreWrite,
  Topics,
} from "../broker/broker.ts";
import { ColloquyError, type ErrorCode, type ErrorInfo, invalidOption } from "../errors.ts";
import {
  aClock,
  aFunction,
  aRandom,
  type Check,
  type Checks,
  checkOptions,
} from "../message/checks.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { sleep } from "../runtime/sleep.ts";
import { aLatency, type Conditions, drawLatency } from "./memory-pipe.ts";

/** Probabilities from 0 to 1; default 0 each. */
export interface FaultRates {
  /** A message, write or append is rejected with QUEUE_FULL, and was not taken. */
  readonly rejection?: number;
  /** A message, settlement, write or append was done, and the answer is indeterminate. */
  readonly lostAnswer?: number;
  /** It was not done, and the answer is indeterminate all the same. */
  readonly lostCall?: number;
  /** A publication reaches nobody; nobody is told. */
  readonly lostPublication?: number;
  /** Any other call that returns a promise rejects with STORE_FAILED, and was not made. */
  readonly failure?: number;
}

export interface FaultyBrokerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Can be changed while the broker runs. */
  readonly rates: () => FaultRates;
  /** How long each call takes at least. Default: 0. */
  readonly latencyMs?: NonNullable<Conditions["latencyMs"]>;
}

const optionChecks: Checks<FaultyBrokerOptions> = {
  clock: aClock,
  random: aRandom,
  rates: aFunction,
  latencyMs: aLatency,
};

const probability: Check = (field, value) => {
  if (typeof value === "number" && value >= 0 && value <= 1) return;
  throw invalidOption(field, value, "a number from 0 to 1");
};

const rateChecks: Checks<FaultRates> = {
  rejection: probability,
  lostAnswer: probability,
  lostCall: probability,
  lostPublication: probability,
  failure: probability,
};

/** @param broker - open; closed by the faulty one's `close`, which never fails. */
export function faultyBroker(broker: Broker, options: FaultyBrokerOptions): Broker {
  checkOptions(options, optionChecks);
  return new FaultyBroker(broker, options);
}

class FaultyBroker implements Broker {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly store: Store | undefined;
  readonly log: Log | undefined;
  readonly #broker: Broker;

  constructor(broker: Broker, options: FaultyBrokerOptions) {
    const faults = new Faults(options);
    this.name = `faulty ${broker.name}`;
    this.capabilities = broker.capabilities;
    this.topics = faultyTopics(broker.topics, faults);
    this.queues = faultyQueues(broker.queues, faults);
    this.store = broker.store && faultyStore(broker.store, faults);
    this.log = broker.log && faultyLog(broker.log, faults);
    this.#broker = broker;
  }

  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    return this.#broker.statuses(signal);
  }

  close(): Promise<void> {
    return this.#broker.close();
  }
}

type Answer = { readonly kind: "indeterminate" | "rejected"; readonly error: ErrorInfo };

/** What the dice say about one call. */
class Faults {
  readonly #options: FaultyBrokerOptions;

  constructor(options: FaultyBrokerOptions) {
    this.#options = options;
  }

  happens(kind: keyof FaultRates): boolean {
    const rates = this.#options.rates();
    checkOptions(rates, rateChecks, "rates");
    const rate = rates[kind] ?? 0;
    return rate > 0 && this.#options.random.float() < rate;
  }

  async delay(): Promise<void> {
    const { clock, random, latencyMs } = this.#options;
    if (latencyMs !== undefined) await sleep(clock, drawLatency(latencyMs, random));
  }

  /** Makes a call that has no outcome but success. */
  async call<Value>(call: () => Promise<Value>): Promise<Value> {
    await this.delay();
    if (this.happens("failure"))
      throw new ColloquyError("STORE_FAILED", "planted: the call failed");
    return call();
  }

  /** What the caller gets in place of a call, undefined where the call is made. */
  instead(): Answer | undefined {
    if (this.happens("rejection")) return answer("rejected", "QUEUE_FULL", "there is no room");
    if (this.happens("lostCall")) return lost();
    return undefined;
  }

  /** What the caller gets for an outcome that was reached. */
  told<Outcome>(outcome: Outcome): Outcome | Answer {
    return this.happens("lostAnswer") ? lost() : outcome;
  }

  /** Makes one call for those of `items` that get through, and puts the outcomes in their places. */
  async each<Item, Outcome>(
    items: readonly Item[],
    instead: () => Answer | undefined,
    call: (items: readonly Item[]) => Promise<readonly Outcome[]>,
  ): Promise<readonly (Outcome | Answer)[]> {
    await this.delay();
    const answers = items.map(instead);
    const through = items.filter((_, index) => answers[index] === undefined);
    const outcomes = (through.length === 0 ? [] : await call(through)).values();
    return answers.map((each) => each ?? this.told(outcomes.next().value as Outcome));
  }
}

function answer(kind: Answer["kind"], code: ErrorCode, what: string): Answer {
  return { kind, error: new ColloquyError(code, `planted: ${what}`).toJSON() };
}

function lost(): Answer & { readonly kind: "indeterminate" } {
  const { error } = answer("indeterminate", "INDETERMINATE", "the answer was lost");
  return { kind: "indeterminate", error };
}

function faultyTopics(inner: Topics, faults: Faults): Topics {
  const survives = () => !faults.happens("lostPublication");
  return {
    publish: (publications) => inner.publish(publications.filter(survives)),
    subscribe: (pattern, receive, signal) =>
      faults.call(() => inner.subscribe(pattern, receive, signal)),
  };
}

function faultyQueues(inner: Queues, faults: Faults): Queues {
  return {
    declare: (queues, signal) => faults.call(() => inner.declare(queues, signal)),
    remove: (queues, signal) => faults.call(() => inner.remove(queues, signal)),
    mailboxes: (signal) => faults.call(() => inner.mailboxes(signal)),
    enqueue: (queue, messages, signal) =>
      faults.each<QueuedMessage, EnqueueOutcome>(
        messages,
        () => faults.instead(),
        (through) => inner.enqueue(queue, through, signal),
      ),
    receive: (queue, options, signal) => inner.receive(queue, options, signal),
    settle: (settlements) =>
      faults.each<Settlement, SettleOutcome>(
        settlements,
        () => (faults.happens("lostCall") ? lost() : undefined),
        (through) => inner.settle(through),
      ) as Promise<readonly SettleOutcome[]>,
    report: (reports) =>
      faults.each<Report, ReportOutcome>(
        reports,
        () => (faults.happens("lostCall") ? lost() : undefined),
        (through) => inner.report(through),
      ) as Promise<readonly ReportOutcome[]>,
    cancel: (queue, position, options) => faults.call(() => inner.cancel(queue, position, options)),
    answer: (queue, position, answer, signal) =>
      faults.call(() => inner.answer(queue, position, answer, signal)),
    track: (queue, position, options) => faults.call(() => inner.track(queue, position, options)),
    browse: (queue, range, signal) => inner.browse(queue, range, signal),
    deadLetters: (range, signal) => inner.deadLetters(range, signal),
    replay: (deadLetters, signal) => faults.call(() => inner.replay(deadLetters, signal)),
    purge: (deadLetters, signal) => faults.call(() => inner.purge(deadLetters, signal)),
  };
}

function faultyStore(inner: Store, faults: Faults): Store {
  return {
    get: (keys, signal) => faults.call(() => inner.get(keys, signal)),
    put: async (writes: readonly StoreWrite[], signal): Promise<StorePutOutcome> => {
      await faults.delay();
      return faults.instead() ?? faults.told(await inner.put(writes, signal));
    },
    list: (prefix, signal) => inner.list(prefix, signal),
    watch: (prefix, change, signal) => faults.call(() => inner.watch(prefix, change, signal)),
  };
}

function faultyLog(inner: Log, faults: Faults): Log {
  return {
    append: async (stream, entries, at, signal): Promise<AppendOutcome> => {
      await faults.delay();
      return faults.instead() ?? faults.told(await inner.append(stream, entries, at, signal));
    },
    read: (stream, from, options, signal) => inner.read(stream, from, options, signal),
  };
}
