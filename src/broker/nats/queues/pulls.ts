/**
 * Takes messages of one lane from its consumer, a durable one that all receivers of the queue share. What
 * was asked for and has not come is counted, so that no more is asked for than somebody has room for.
 */
import type { Timer } from "../../../runtime/clock.ts";
import type { Lane } from "../../broker.ts";
import { hearing, type NatsMessage, type NatsSubscription } from "../client.ts";
import type { NatsLink } from "../connection.ts";
import type { QueueSubjects } from "./subjects.ts";
import { type WorkMessage, workMessage } from "./work-message.ts";

/** A message that has just come. */
export interface Pulled {
  readonly message: WorkMessage;
  /** Times the server has delivered it, this one included. Less than it was after a crash of the server. */
  readonly deliveries: number;
  /** When it was stored, milliseconds. */
  readonly storedMs: number;
  /** Where it is acknowledged. */
  readonly reply: string;
}

export interface PullsOptions {
  readonly link: NatsLink;
  readonly subjects: QueueSubjects;
  readonly queue: string;
  readonly lane: Lane;
  readonly take: (pulled: Pulled) => void;
  /** An answer has changed what is outstanding or waiting. */
  readonly changed: () => void;
}

/** How long a question for messages stands at the server. */
const waitMs = 20_000;
/** Longer than that without a word, and it is lost. */
const graceMs = 5_000;
const pauseMs = 100;

interface Pull {
  readonly id: string;
  left: number;
}

export class Pulls {
  readonly lane: Lane;
  readonly #options: PullsOptions;
  readonly #consumer: string;
  readonly #encoder = new TextEncoder();
  #pulls: Pull[] = [];
  #subscription: NatsSubscription | undefined;
  #inbox = "";
  #waiting = 0;
  #ids = 0;
  #askedMs = 0;
  #watchdog: Timer | undefined;
  #pausing = false;
  #isOpen = false;

  constructor(options: PullsOptions) {
    this.#options = options;
    this.lane = options.lane;
    this.#consumer = options.subjects.consumer(options.queue, options.lane);
  }

  /** Messages that were asked for and have not come. */
  get outstanding(): number {
    let sum = 0;
    for (const { left } of this.#pulls) sum += left;
    return sum;
  }

  /** Messages that wait at the server, as far as this client knows. */
  get waiting(): number {
    return this.#waiting;
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#pausing;
  }

  /** Something is there, or soon will be again. */
  expectAtLeast(count: number): void {
    this.#waiting = Math.max(this.#waiting, count);
  }

  /** Makes the consumer, unless it is there. @throws as `NatsLink.api`. */
  async open(): Promise<void> {
    const { link, subjects, queue, lane } = this.#options;
    const config = {
      name: this.#consumer,
      durable_name: this.#consumer,
      description: `colloquy: lane ${lane} of a queue`,
      filter_subject: subjects.waiting(queue, lane),
      ack_policy: "explicit",
      ack_wait: link.settings.leaseMs * 1_000_000,
      deliver_policy: "all",
      max_deliver: -1,
      max_ack_pending: -1,
      max_waiting: 8_192,
    };
    const stream = subjects.workStream;
    await link.api(`CONSUMER.DURABLE.CREATE.${stream}.${this.#consumer}`, {
      stream_name: stream,
      config,
    });
    this.#isOpen = true;
    this.#forget();
    // What is made anew still brings what was asked of the last.
    if (this.#subscription === undefined) this.#listen();
    link.leaders.watch(this.#consumer, () => this.#ledAnew());
  }

  /** @param stands - waits at the server until they come; else only what is there. */
  pull(count: number, stands: boolean): void {
    const { link, subjects } = this.#options;
    const id = (++this.#ids).toString(36);
    this.#pulls.push({ id, left: count });
    const question = stands
      ? { batch: count, expires: waitMs * 1e6 }
      : { batch: count, no_wait: true };
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${subjects.workStream}.${this.#consumer}`;
    const payload = this.#encoder.encode(JSON.stringify(question));
    link.publish(subject, payload, { reply: `${this.#inbox}.${id}` });
    this.#watch();
  }

  /** What was asked for the last leader may have taken with it. */
  #ledAnew(): void {
    this.#forget();
    this.#options.changed();
  }

  /** The connection is lost, and with it what was asked for. */
  lost(): void {
    this.#forget();
  }

  /** What an older question still brings must not be mistaken for what is asked now. */
  begun(): void {
    if (!this.#isOpen) return;
    this.#forget();
    this.#subscription?.unsubscribe();
    this.#listen();
    this.#waiting = 0;
  }

  close(): void {
    this.#isOpen = false;
    this.#options.link.leaders.forget(this.#consumer);
    this.#forget();
    if (this.#options.link.failure === undefined) this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }

  #listen(): void {
    const { link } = this.#options;
    this.#inbox = `${link.inbox}.p.${link.newId()}`;
    this.#subscription = link.client.subscribe(
      `${this.#inbox}.*`,
      hearing((error, message) => {
        if (error === null) this.#received(message);
      }),
    );
  }

  #received(message: NatsMessage): void {
    if ((message.headers?.code ?? 0) !== 0) {
      this.#ended(message);
      return;
    }
    const { subjects, take } = this.#options;
    const { subject, data, headers, reply = "" } = message;
    const tokens = reply.split(".");
    const end = Math.min(tokens.length, 11);
    const [deliveries, position, , storedNs, pending] = tokens.slice(end - 5, end).map(Number) as [
      number,
      number,
      number,
      number,
      number,
    ];
    this.#waiting = pending;
    const [first] = this.#pulls;
    if (first !== undefined && --first.left <= 0) this.#pulls.shift();
    if (this.#pulls.length === 0) this.#unwatch();
    const work = workMessage(
      position,
      subject,
      subjects.place(subject),
      data,
      (name) => headers?.get(name) ?? "",
    );
    take({ message: work, deliveries, storedMs: storedNs / 1e6, reply });
  }

  /** The server says that no more comes of one question. */
  #ended({ subject, headers }: NatsMessage): void {
    const { code = 0 } = headers ?? {};
    if (code === 100) return;
    const id = subject.slice(subject.lastIndexOf(".") + 1);
    const at = this.#pulls.findIndex((pull) => pull.id === id);
    if (at === -1) return;
    this.#pulls.splice(at, 1);
    if (this.#pulls.length === 0) this.#unwatch();
    if (code === 404 || code === 408) {
      this.#waiting = 0;
      this.#options.changed();
    } else {
      this.#recover();
    }
  }

  /** The consumer may be gone, or its leader: soon. */
  #recover(): void {
    if (this.#pausing || !this.#isOpen) return;
    this.#pausing = true;
    this.#options.link.clock.setTimer(pauseMs, () => void this.#reopen());
  }

  async #reopen(): Promise<void> {
    const { link, changed } = this.#options;
    try {
      if (this.#isOpen && link.isReady) await this.open();
    } catch {
      // Asked again when the next question fails.
    }
    this.#pausing = false;
    if (this.#isOpen) changed();
  }

  #watch(): void {
    const { clock } = this.#options.link;
    this.#askedMs = clock.monotonicMs();
    if (this.#watchdog !== undefined) return;
    const look = () => {
      const restMs = this.#askedMs + waitMs + graceMs - clock.monotonicMs();
      if (restMs > 0) {
        this.#watchdog = clock.setTimer(restMs, look);
        return;
      }
      this.#watchdog = undefined;
      this.#pulls = [];
      this.#options.changed();
    };
    this.#watchdog = clock.setTimer(waitMs + graceMs, look);
  }

  #unwatch(): void {
    this.#watchdog?.cancel();
    this.#watchdog = undefined;
  }

  #forget(): void {
    this.#pulls = [];
    this.#unwatch();
  }
}
