/**
 * Publishes to streams without waiting for one acknowledgement before the next message, in order. What was
 * on its way when the connection was lost, or met a server that was not ready, is sent again: each message
 * is such that storing it twice is refused.
 *
 * A server that flushes every write does so for each message, but only once for a batch. So messages go
 * alone while few wait, which is quicker for each, and what has come together meanwhile goes as an atomic
 * batch. A batch that is refused, for whatever one of its messages, is sent again message by message.
 */
import { ColloquyError, isColloquyError } from "../../../errors.ts";
import { RingBuffer } from "../../../runtime/ring-buffer.ts";
import type { NatsMessage } from "../client.ts";
import { type LinkPart, type NatsLink, parseAnswer } from "../connection.ts";
import { apiCodeOf, clientError, noResponders, unanswered } from "../errors.ts";
import {
  batchMessagesMax,
  type PublishAcknowledgement,
  type StreamMessage,
  sendBatch,
} from "../jetstream.ts";

/** Single messages on their way; what comes then waits until there is a batch of it. */
const inFlightMax = 16;
/** On a server that takes no batches; it refuses what comes when 10,000 wait for one stream. */
const inFlightMaxAlone = 2_048;
/** So few messages are as quick one by one. */
const batchMessagesMin = 24;
const batchBytesMax = 4 * 2 ** 20;
/** Batches on their way. */
const batchesMax = 2;
/** Errors of a server that does not know batches, or ids in them. */
const noBatchCodes: ReadonlySet<number | undefined> = new Set([10_174, 10_175, 10_177]);
/** How long a message is tried; well within the window in which the server knows it again. */
const triesMs = 60_000;
const pauseMs = 50;
/** Errors of a server that has no room just now. */
const busyCodes: ReadonlySet<number | undefined> = new Set([10_023, 10_167]);

export interface Stored extends PublishAcknowledgement {
  /** It was sent more than once. */
  readonly repeated: boolean;
}

interface Job {
  readonly message: StreamMessage;
  readonly what: string;
  readonly untilMs: number;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: ColloquyError) => void;
  tries: number;
}

export class Publisher implements LinkPart {
  readonly #link: NatsLink;
  readonly #waiting = new RingBuffer<Job>();
  /** To be sent again, before what waits, in the order in which it was sent. */
  readonly #again = new RingBuffer<Job>();
  #inFlight = 0;
  #batches = 0;
  #takesBatches = true;
  #pausing = false;
  #isPumpDue = false;

  constructor(link: NatsLink) {
    this.#link = link;
    link.add(this);
  }

  /**
   * @throws CONFLICT where an expected sequence is not the last, and `details.repeated` says whether that
   *   may be this very message; INDETERMINATE; AGENT_UNREACHABLE; CLOSED; QUEUE_FULL.
   */
  publish(message: StreamMessage, what: string): Promise<Stored> {
    const { failure, clock } = this.#link;
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise((resolve, reject) => {
      const untilMs = clock.monotonicMs() + triesMs;
      this.#waiting.push({ message, what, untilMs, resolve, reject, tries: 0 });
      this.#pumpSoon();
    });
  }

  begun(): void {
    this.#pump();
  }

  closed(error: ColloquyError): void {
    const jobs = [...this.#again, ...this.#waiting];
    this.#again.clear();
    this.#waiting.clear();
    for (const { reject } of jobs) reject(error);
  }

  /** When all that is published now has come. */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (!this.#link.isReady || this.#pausing) return;
    for (const jobs of [this.#again, this.#waiting]) {
      if (!this.#sendFrom(jobs)) return;
    }
  }

  /** @returns false where there is no room for all of them. */
  #sendFrom(jobs: RingBuffer<Job>): boolean {
    while (jobs.size > 0) {
      if (this.#takesBatches && jobs.size >= batchMessagesMin) {
        if (this.#batches >= batchesMax) return false;
        this.#sendRun(this.#takeRun(jobs));
      } else {
        if (this.#inFlight >= (this.#takesBatches ? inFlightMax : inFlightMaxAlone)) return false;
        this.#send(jobs.shift() as Job);
      }
    }
    return true;
  }

  /** The first that can be one batch: of one stream, and not too much. */
  #takeRun(jobs: RingBuffer<Job>): readonly Job[] {
    const run: Job[] = [];
    const streamOf = (job: Job) => this.#link.names.streamOf(job.message.subject);
    let bytes = 0;
    while (run.length < batchMessagesMax) {
      const next = jobs.peek();
      if (next === undefined) break;
      bytes += next.message.payload.length;
      const [first] = run;
      if (first !== undefined && (bytes > batchBytesMax || streamOf(next) !== streamOf(first)))
        break;
      run.push(jobs.shift() as Job);
    }
    return run;
  }

  #sendRun(run: readonly Job[]): void {
    if (run.length < batchMessagesMin) for (const job of run) this.#send(job);
    else this.#sendBatch(run).catch(() => {});
  }

  async #sendBatch(run: readonly Job[]): Promise<void> {
    const [first] = run;
    this.#batches++;
    for (const job of run) job.tries++;
    try {
      const messages = run.map(({ message }) => message);
      const { seq } = await sendBatch(this.#link, messages, { what: first?.what ?? "" });
      for (const [index, { resolve, tries }] of run.entries()) {
        resolve({ seq: seq - (run.length - 1 - index), duplicate: false, repeated: tries > 1 });
      }
    } catch (thrown) {
      this.#batchFailed(run, clientError(thrown, first?.what ?? ""));
    } finally {
      this.#batches--;
      this.#pump();
    }
  }

  #batchFailed(run: readonly Job[], error: ColloquyError): void {
    if (isColloquyError(error, "INDETERMINATE") || isColloquyError(error, "CLOSED")) {
      for (const job of run) this.#keepTrying(job, error);
      return;
    }
    // Nothing of it was stored.
    if (noBatchCodes.has(apiCodeOf(error))) this.#takesBatches = false;
    for (const job of run) {
      job.tries--;
      if (this.#link.isReady) this.#send(job);
      else this.#keepTrying(job, error);
    }
  }

  #send(job: Job): void {
    const { subject, payload, headers } = job.message;
    job.tries++;
    this.#inFlight++;
    const waiting = {
      answered: (answer: NatsMessage) => {
        this.#inFlight--;
        this.#answered(job, answer);
        this.#pump();
        return false;
      },
      failed: (why: Parameters<Parameters<NatsLink["ask"]>[2]["failed"]>[0]) => {
        this.#inFlight--;
        this.#repeat(job, this.#link.failure ?? unanswered(job.what, why));
      },
    };
    try {
      this.#link.ask(subject, payload, waiting, headers);
    } catch (error) {
      this.#inFlight--;
      job.reject(error as ColloquyError);
    }
  }

  #answered(job: Job, answer: NatsMessage): void {
    if (answer.headers?.code === 503) {
      this.#pause(job, noResponders(job.what));
      return;
    }
    try {
      const { seq, duplicate = false } = parseAnswer<PublishAcknowledgement>(answer, job.what);
      job.resolve({ seq, duplicate, repeated: job.tries > 1 });
    } catch (thrown) {
      const error = thrown as ColloquyError;
      if (busyCodes.has(apiCodeOf(error)) || error.code === "AGENT_UNREACHABLE") {
        this.#pause(job, error);
      } else if (job.tries > 1 && isColloquyError(error, "CONFLICT")) {
        const details = { ...error.details, repeated: true };
        job.reject(new ColloquyError("CONFLICT", error.message, { details }));
      } else {
        job.reject(error);
      }
    }
  }

  /** The server is there and cannot take it now. */
  #pause(job: Job, error: ColloquyError): void {
    if (!this.#keepTrying(job, error)) return;
    if (this.#pausing) return;
    this.#pausing = true;
    this.#link.clock.setTimer(pauseMs, () => {
      this.#pausing = false;
      this.#pump();
    });
  }

  #repeat(job: Job, error: ColloquyError): void {
    if (this.#keepTrying(job, error)) this.#pumpSoon();
  }

  #keepTrying(job: Job, error: ColloquyError): boolean {
    const { failure, clock } = this.#link;
    if (failure !== undefined || clock.monotonicMs() >= job.untilMs) {
      job.reject(failure ?? error);
      return false;
    }
    this.#again.push(job);
    return true;
  }
}
