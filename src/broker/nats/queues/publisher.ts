/**
 * Publishes to streams without waiting for one acknowledgement before the next message. What was on its way
 * when the connection was lost, or met a server that was not ready, is sent again: each message is such that
 * storing it twice is refused. Which of them may go next, and so their order, is said in departures.ts.
 *
 * A server that flushes every write does so for each message, but only once for a batch. So messages go
 * alone while few wait, which is quicker for each, and what has come together meanwhile goes as an atomic
 * batch. A batch that is refused, for whatever one of its messages, is sent again message by message; one of
 * which the answer is lost as publish-job.ts says.
 */
import { ColloquyError, isColloquyError } from "../../../errors.ts";
import { parseAnswer } from "../api-answer.ts";
import type { NatsMessage } from "../client.ts";
import type { LinkPart, NatsLink } from "../connection.ts";
import { apiCodeOf, clientError, noResponders, unanswered } from "../errors.ts";
import {
  batchMessagesMax,
  type PublishAcknowledgement,
  type StreamMessage,
  sendBatch,
} from "../jetstream.ts";
import type { Failure } from "../requests.ts";
import { Departures, type Source } from "./departures.ts";
import { type LostBatch, PublishJob, type Stored } from "./publish-job.ts";

/** Single messages on their way; what comes then waits until there is a batch of it. */
const inFlightMax = 16;
/** On a server that takes no batches; it refuses what comes when 10,000 wait for one stream. */
const inFlightMaxAlone = 2_048;
/** So few messages are as quick one by one. */
const batchMessagesMin = 24;
/** One by one each of a subject's parked ones waits for the one before: fewer are quicker as a batch. */
const parkedBatchMin = 8;
const batchBytesMax = 4 * 2 ** 20;
/** Batches on their way. */
const batchesMax = 2;
/** Errors of a server that does not know batches, or ids in them. */
const noBatchCodes: ReadonlySet<number | undefined> = new Set([10_174, 10_175, 10_177]);
const pauseMs = 50;
/** Errors of a server that has no room just now. */
const busyCodes: ReadonlySet<number | undefined> = new Set([10_023, 10_167]);

export class Publisher implements LinkPart {
  readonly #link: NatsLink;
  readonly #departures = new Departures<PublishJob>();
  /** They go first in turn, so that neither waits for ever. */
  readonly #sources: Source[] = ["line", "parked"];
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
   * @param isOrdered - it must not be overtaken by others of its subject.
   * @throws CONFLICT where an expected sequence is not the last, and `details.repeated` says whether that
   *   may be this very message; INDETERMINATE; AGENT_UNREACHABLE; CLOSED; QUEUE_FULL; FORBIDDEN;
   *   MESSAGE_TOO_LARGE.
   */
  publish(message: StreamMessage, what: string, isOrdered: boolean = false): Promise<Stored> {
    const { failure } = this.#link;
    if (failure !== undefined) return Promise.reject(failure);
    const job = new PublishJob(message, what, isOrdered);
    this.#departures.add(job);
    this.#pumpSoon();
    return job.outcome.promise;
  }

  begun(): void {
    this.#pump();
  }

  closed(error: ColloquyError): void {
    for (const { outcome } of this.#departures.clear()) outcome.reject(error);
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
    for (const source of this.#sources) {
      while (this.#link.isReady && !this.#pausing && this.#sendFrom(source)) {}
    }
    this.#sources.reverse();
  }

  /** @returns whether anything was sent. */
  #sendFrom(source: Source): boolean {
    const first = this.#departures.peek(source);
    if (first === undefined) return false;
    const mayBeBatch = this.#takesBatches && first.how === "together";
    const batchMin =
      this.#departures.parkedWith(first) >= parkedBatchMin ? parkedBatchMin : batchMessagesMin;
    const isRoom = this.#batches < batchesMax;
    const max = mayBeBatch ? inFlightMax : inFlightMaxAlone;
    // No more than can go: what is taken and put back costs time again and again.
    let countMax = isRoom ? batchMessagesMax : batchMessagesMin;
    if (!mayBeBatch) countMax = first.how === "as stored" ? max - this.#inFlight : 1;
    const group = this.#take(source, countMax);
    if (mayBeBatch && group.length >= batchMin) {
      if (isRoom) this.#sendBatch(group).catch(() => {});
      else this.#departures.putBack(group);
      return isRoom;
    }
    const left: PublishJob[] = [];
    for (const job of group) {
      if (this.#inFlight < max && this.#mayGo(job)) this.#send(job);
      else left.push(job);
    }
    this.#departures.putBack(left);
    return left.length < group.length;
  }

  /** As many as can be one batch: of one stream, and not too much. */
  #take(source: Source, countMax: number): PublishJob[] {
    const group: PublishJob[] = [];
    let bytes = 0;
    while (group.length < countMax) {
      const job = this.#departures.peek(source);
      if (job === undefined) break;
      const [first] = group;
      bytes += job.message.payload.length;
      if (first !== undefined && (bytes > batchBytesMax || !this.#goTogether(first, job))) break;
      group.push(job);
      this.#departures.shift(source);
    }
    return group;
  }

  #goTogether(first: PublishJob, job: PublishJob): boolean {
    const { how, doubt } = first;
    if (how === "alone" || how !== job.how) return false;
    // With one that was stored already a batch is refused.
    if ((doubt === undefined) !== (job.doubt === undefined)) return false;
    const { names } = this.#link;
    return names.streamOf(first.message.subject) === names.streamOf(job.message.subject);
  }

  /** Of those of one subject, one; of those that are stored already, all. */
  #mayGo(job: PublishJob): boolean {
    return job.how === "as stored" || !this.#departures.isHeldUp(job);
  }

  async #sendBatch(batch: readonly PublishJob[]): Promise<void> {
    const what = batch[0]?.what ?? "";
    this.#batches++;
    for (const job of batch) this.#setsOut(job);
    try {
      const messages = batch.map(({ message }) => message);
      const { seq } = await sendBatch(this.#link, messages, { what });
      for (const [index, job] of batch.entries()) {
        this.#stored(job, { seq: seq - (batch.length - 1 - index), duplicate: false });
      }
    } catch (thrown) {
      this.#batchFailed(batch, clientError(thrown, what));
    } finally {
      this.#batches--;
      this.#pump();
    }
  }

  #batchFailed(batch: readonly PublishJob[], error: ColloquyError): void {
    const isLost = isColloquyError(error, "INDETERMINATE") || isColloquyError(error, "CLOSED");
    const lostBatch: LostBatch = { wasStored: undefined };
    if (noBatchCodes.has(apiCodeOf(error))) this.#takesBatches = false;
    for (const job of batch.toReversed()) {
      if (isLost) job.lostWith(lostBatch, error);
      else job.refusedWithOthers();
      if (this.#mayTryAgain(job, error)) this.#departures.again(job, true);
    }
  }

  #send(job: PublishJob): void {
    const { subject, payload, headers } = job.message;
    this.#setsOut(job);
    this.#inFlight++;
    const waiting = {
      answered: (answer: NatsMessage) => {
        this.#inFlight--;
        this.#answered(job, answer);
        this.#pump();
        return false;
      },
      failed: (why: Failure, refusal?: ColloquyError) => {
        this.#inFlight--;
        if (refusal === undefined) this.#lost(job, unanswered(job.what, why));
        else this.#fail(job, refusal);
        this.#pumpSoon();
      },
    };
    try {
      this.#link.ask(subject, payload, waiting, headers);
    } catch (error) {
      this.#inFlight--;
      this.#fail(job, error as ColloquyError);
      this.#pumpSoon();
    }
  }

  #answered(job: PublishJob, answer: NatsMessage): void {
    if (answer.headers?.code === 503) {
      this.#pause(job, noResponders(job.what));
      return;
    }
    try {
      const { seq, duplicate = false } = parseAnswer<PublishAcknowledgement>(answer, job.what);
      this.#stored(job, { seq, duplicate });
    } catch (thrown) {
      const error = thrown as ColloquyError;
      if (busyCodes.has(apiCodeOf(error)) || error.code === "AGENT_UNREACHABLE") {
        this.#pause(job, error);
      } else if (job.isRepeated && isColloquyError(error, "CONFLICT")) {
        const details = { ...error.details, repeated: true };
        this.#fail(job, new ColloquyError("CONFLICT", error.message, { details }));
      } else {
        this.#fail(job, error);
      }
    }
  }

  /** The server is there and cannot take it now. */
  #pause(job: PublishJob, error: ColloquyError): void {
    if (!this.#mayTryAgain(job, error)) return;
    this.#departures.again(job, false);
    if (this.#pausing) return;
    this.#pausing = true;
    this.#link.clock.setTimer(pauseMs, () => {
      this.#pausing = false;
      this.#pump();
    });
  }

  #setsOut(job: PublishJob): void {
    job.setsOut(this.#link.clock.monotonicMs());
    this.#departures.departed(job);
  }

  #stored(job: PublishJob, acknowledgement: PublishAcknowledgement): void {
    this.#departures.ended(job);
    job.stored(acknowledgement);
  }

  #lost(job: PublishJob, error: ColloquyError): void {
    job.lost(error);
    if (this.#mayTryAgain(job, error)) this.#departures.again(job, false);
  }

  /** What is refused now may have been stored before. A conflict says more: who reads what is there knows. */
  #fail(job: PublishJob, error: ColloquyError): void {
    this.#departures.ended(job);
    const isKnown = error.code === "CONFLICT" || error === this.#link.failure;
    job.outcome.reject(isKnown ? error : (job.doubt ?? error));
  }

  /** @returns false when it has failed with `error` for good. */
  #mayTryAgain(job: PublishJob, error: ColloquyError): boolean {
    const { failure, clock } = this.#link;
    if (failure === undefined && !job.isLate(clock.monotonicMs())) return true;
    this.#fail(job, failure ?? error);
    return false;
  }
}
