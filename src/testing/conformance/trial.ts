/** One run of one case: the broker, further clients of it, and the waits of a patient test. */
import assert from "node:assert/strict";
import type { Broker, ReceiveOptions } from "../../broker/broker.ts";
import { ColloquyError } from "../../errors.ts";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { sleep } from "../../runtime/sleep.ts";
import { Receiver } from "./receiver.ts";
import type { Subject } from "./subject.ts";

/** Milliseconds after which a wait has failed. Long, because it says nothing about speed. */
const deadlineMs = 40_000;
/** Milliseconds in which nothing may happen, where the contract says that nothing does. */
const quietMs = 80;
const pollMs = 5;

export interface ReceiveChoices {
  /** Default: 100. */
  readonly credit?: number;
  /** Default: the trial's first client. */
  readonly broker?: Broker;
}

export class Trial {
  readonly #subject: Subject;
  readonly #controller = new AbortController();
  readonly #receivers: Receiver[] = [];
  #broker: Broker;
  #names = 0;

  constructor(subject: Subject) {
    this.#subject = subject;
    this.#broker = subject.broker;
  }

  /** The first client; after a restart the one that it gave. */
  get broker(): Broker {
    return this.#broker;
  }

  /** Aborts when the case is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get clock(): Clock {
    return this.#subject.clock ?? systemClock;
  }

  connect(): Promise<Broker> {
    return this.#subject.connect();
  }

  async restart(how: "clean" | "crash"): Promise<Broker> {
    const { restart } = this.#subject;
    assert.ok(restart, "a broker that claims durability needs `restart` in its subject");
    this.#broker = await restart.call(this.#subject, how);
    return this.#broker;
  }

  async disconnect(client: Broker): Promise<void> {
    const { disconnect } = this.#subject;
    assert.ok(disconnect, "the subject has no `disconnect`");
    await disconnect.call(this.#subject, client);
  }

  /** A name that is used once. */
  name(prefix: string = "thing"): string {
    return `${prefix}-${++this.#names}`;
  }

  /** A new mailbox. */
  async queue(): Promise<string> {
    const queue = this.name("queue");
    await this.within("declare", this.broker.queues.declare([queue]));
    return queue;
  }

  /** Starts receiving; what has come is asked of the receiver. Ends with the case. */
  receive(queue: string, { credit = 100, broker = this.broker }: ReceiveChoices = {}): Receiver {
    return this.receiveWith(broker, queue, { credit, consumer: "conformance" });
  }

  /** As `receive`, with the port's own options. */
  receiveWith(broker: Broker, queue: string, options: ReceiveOptions): Receiver {
    const within = <Value>(what: string, promise: Promise<Value>) => this.within(what, promise);
    const receiver = new Receiver(broker, queue, options, within);
    this.#receivers.push(receiver);
    return receiver;
  }

  /** As `promise`, or a failure that names `what` was waited for. */
  async within<Value>(what: string, promise: Promise<Value>): Promise<Value> {
    const late = new ColloquyError("TIMEOUT", `waited for in vain: ${what}`);
    return await new Promise<Value>((resolve, reject) => {
      const timer = this.clock.setTimer(deadlineMs, () => reject(late));
      promise.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** Asks again and again until `probe` gives something. */
  async eventually<Value>(
    what: string,
    probe: () => Promise<Value | undefined> | Value | undefined,
  ): Promise<Value> {
    const untilMs = this.clock.monotonicMs() + deadlineMs;
    for (;;) {
      const value = await probe();
      if (value !== undefined) return value;
      if (this.clock.monotonicMs() > untilMs) assert.fail(`never came true: ${what}`);
      await sleep(this.clock, pollMs);
    }
  }

  /**
   * Calls `attempt` with milliseconds that it has for what must happen before their end, and with more of
   * them while it says that they were over first: a machine may be slow, or stand still for a while.
   */
  async inTime(fromMs: number, attempt: (ms: number) => Promise<boolean>): Promise<void> {
    for (const ms of [fromMs, 4 * fromMs, 16 * fromMs]) if (await attempt(ms)) return;
    assert.fail("each time it was too late");
  }

  /** Long enough that what must not happen would most likely have. */
  quiet(): Promise<void> {
    return sleep(this.clock, quietMs);
  }

  sleep(delayMs: number): Promise<void> {
    return sleep(this.clock, delayMs);
  }

  /** Ends everything that was begun. */
  async end(): Promise<void> {
    this.#controller.abort(new Error("the case is over"));
    for (const receiver of this.#receivers) receiver.abandon();
    await this.within("close", this.#subject.close());
  }
}
