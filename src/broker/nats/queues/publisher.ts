/**
 * Publishes to streams without waiting for one acknowledgement before the next message: as many as the
 * server may have to take in at a time, in order. What was on its way when the connection was lost, or
 * met a server that was not ready, is sent again: each message is such that storing it twice is refused.
 */
import { ColloquyError, isColloquyError } from "../../../errors.ts";
import { RingBuffer } from "../../../runtime/ring-buffer.ts";
import type { NatsMessage } from "../client.ts";
import { type LinkPart, type NatsLink, parseAnswer } from "../connection.ts";
import { apiCodeOf, noResponders, unanswered } from "../errors.ts";
import type { PublishAcknowledgement, StreamMessage } from "../jetstream.ts";

/** A server refuses what comes when 10,000 wait for one stream. */
const inFlightMax = 2_048;
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
  #again: Job[] = [];
  #inFlight = 0;
  #pausing = false;

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
      this.#pump();
    });
  }

  begun(): void {
    this.#pump();
  }

  closed(error: ColloquyError): void {
    const jobs = [...this.#again, ...this.#waiting];
    this.#again = [];
    this.#waiting.clear();
    for (const { reject } of jobs) reject(error);
  }

  #pump(): void {
    if (!this.#link.isReady || this.#pausing) return;
    if (this.#again.length > 0) {
      const again = this.#again;
      this.#again = [];
      for (const job of again) this.#send(job);
    }
    while (this.#inFlight < inFlightMax) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      this.#send(job);
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
        if (this.#waiting.size > 0) this.#pump();
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
    if (this.#keepTrying(job, error)) this.#pump();
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
