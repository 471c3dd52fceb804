/**
 * Publishes to streams without waiting for one acknowledgement before the next message, in order. What was
 * on its way when the connection was lost, or met a server that was not ready, is sent again: each message
 * is such that storing it twice is refused.
 *
 * A server that flushes every write does so for each message, but only once for a batch. So messages go
 * alone while few wait, which is quicker for each, and what has come together meanwhile goes as an atomic
 * batch. A batch that is refused, for whatever one of its messages, is sent again message by message.
 *
 * One that meets a server without a leader, or of which the answer is lost, may be sent again long after
 * others were stored. So of those of one subject that must not overtake one another only one is on its way
 * at a time, or one batch. Those behind it are parked meanwhile, and hold up nothing else.
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
import type { Failure } from "../requests.ts";

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
  /** Others of its subject that come later are stored later. */
  readonly isOrdered: boolean;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: ColloquyError) => void;
  /** Set when it first sets out. */
  untilMs: number | undefined;
  tries: number;
  /** It was refused with others. */
  isAlone: boolean;
  /** How the first try ended that may have stored it. */
  unsure: ColloquyError | undefined;
  /** The batch of which the answer was lost, where nothing else may have stored it. */
  lostBatch: LostBatch | undefined;
}

/**
 * All of it was stored, or nothing: the first of its messages that is answered tells. One that may have been
 * stored by itself as well does not.
 */
interface LostBatch {
  wasStored: boolean | undefined;
}

/** Those of one subject that must not overtake one another, while one of them is on its way or parked. */
interface Track {
  onTheirWay: number;
  /** To be sent later than those on their way, in order. */
  readonly parked: RingBuffer<Job>;
  /** It is one of the `#due`. */
  isDue: boolean;
}

/** The jobs of which the first may go next. */
type Source = () => RingBuffer<Job> | undefined;

export class Publisher implements LinkPart {
  readonly #link: NatsLink;
  readonly #waiting = new RingBuffer<Job>();
  /** To be sent again, before what waits, in the order in which it was sent. */
  readonly #again = new RingBuffer<Job>();
  /** By subject. */
  readonly #tracks = new Map<string, Track>();
  /** Those with parked ones that may go, and some that were. */
  readonly #due = new RingBuffer<Track>();
  #inFlight = 0;
  #batches = 0;
  #takesBatches = true;
  #pausing = false;
  #isPumpDue = false;
  /** They and the others go first in turn, so that neither waits for ever. */
  #areParkedFirst = false;

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
    return new Promise((resolve, reject) => {
      const untried = { untilMs: undefined, tries: 0, isAlone: false };
      const state = { ...untried, unsure: undefined, lostBatch: undefined };
      this.#waiting.push({ message, what, isOrdered, resolve, reject, ...state });
      this.#pumpSoon();
    });
  }

  begun(): void {
    this.#pump();
  }

  closed(error: ColloquyError): void {
    const parked = [...this.#tracks.values()].flatMap((track) => [...track.parked]);
    const jobs = [...parked, ...this.#again, ...this.#waiting];
    this.#tracks.clear();
    this.#due.clear();
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
    const sources: Source[] = [() => this.#nextInLine(), () => this.#nextParked()];
    if (this.#areParkedFirst) sources.reverse();
    this.#areParkedFirst = !this.#areParkedFirst;
    for (const source of sources) {
      while (this.#link.isReady && !this.#pausing && this.#sendFrom(source)) {}
    }
  }

  /** Parks what is before it and must wait. */
  #nextInLine(): RingBuffer<Job> | undefined {
    for (;;) {
      const jobs = this.#again.size > 0 ? this.#again : this.#waiting;
      const job = jobs.peek();
      if (job === undefined) return undefined;
      const track = this.#trackOf(job);
      if (track === undefined) return jobs;
      track.parked.push(jobs.shift() as Job);
    }
  }

  #nextParked(): RingBuffer<Job> | undefined {
    for (let track = this.#due.peek(); track !== undefined; track = this.#due.peek()) {
      const { parked, onTheirWay } = track;
      if (onTheirWay === 0 && parked.size > 0) return parked;
      this.#due.shift();
      track.isDue = false;
    }
    return undefined;
  }

  /** @returns whether anything was sent. */
  #sendFrom(source: Source): boolean {
    const jobs = source();
    const first = jobs?.peek();
    if (jobs === undefined || first === undefined) return false;
    const isParked = jobs !== this.#again && jobs !== this.#waiting;
    const isMany = isParked && jobs.size >= parkedBatchMin;
    const how = howToSend(first);
    const mayBeBatch = this.#takesBatches && how === "together";
    const isRoom = this.#batches < batchesMax;
    const max = mayBeBatch ? inFlightMax : inFlightMaxAlone;
    // No more than can go: what is taken and put back costs time again and again.
    let countMax = isRoom ? batchMessagesMax : batchMessagesMin;
    if (!mayBeBatch) countMax = how === "as stored" ? max - this.#inFlight : 1;
    const group = this.#take(source, countMax);
    if (mayBeBatch && group.length >= (isMany ? parkedBatchMin : batchMessagesMin)) {
      if (isRoom) this.#sendBatch(group).catch(() => {});
      else this.#putBack(group);
      return isRoom;
    }
    const left: Job[] = [];
    for (const job of group) {
      if (this.#inFlight < max && this.#mayGo(job)) this.#send(job);
      else left.push(job);
    }
    this.#putBack(left);
    return left.length < group.length;
  }

  /** As many as can be one batch: of one stream, and not too much. */
  #take(source: Source, countMax: number): Job[] {
    const group: Job[] = [];
    let bytes = 0;
    for (let jobs = source(); jobs !== undefined && group.length < countMax; jobs = source()) {
      const job = jobs.peek() as Job;
      const [first] = group;
      bytes += job.message.payload.length;
      if (first !== undefined && (bytes > batchBytesMax || !this.#goTogether(first, job))) break;
      group.push(job);
      jobs.shift();
    }
    return group;
  }

  #goTogether(first: Job, job: Job): boolean {
    const how = howToSend(first);
    if (how === "alone" || how !== howToSend(job)) return false;
    // With one that was stored already a batch is refused.
    if ((first.unsure === undefined) !== (job.unsure === undefined)) return false;
    const { names } = this.#link;
    return names.streamOf(first.message.subject) === names.streamOf(job.message.subject);
  }

  /** Of those of one subject, one; of those that are stored already, all. */
  #mayGo(job: Job): boolean {
    return howToSend(job) === "as stored" || !this.#trackOf(job)?.onTheirWay;
  }

  /** Before all others, in their order. */
  #putBack(jobs: readonly Job[]): void {
    for (const job of jobs.toReversed()) {
      const track = this.#trackOf(job);
      (track?.parked ?? this.#again).unshift(job);
      if (track !== undefined) this.#tend(job, track);
    }
  }

  async #sendBatch(batch: readonly Job[]): Promise<void> {
    const [first] = batch;
    this.#batches++;
    for (const job of batch) this.#setsOut(job);
    try {
      const messages = batch.map(({ message }) => message);
      const { seq } = await sendBatch(this.#link, messages, { what: first?.what ?? "" });
      for (const [index, job] of batch.entries()) {
        this.#isBack(job);
        const position = seq - (batch.length - 1 - index);
        job.resolve({ seq: position, duplicate: false, repeated: job.tries > 1 });
      }
    } catch (thrown) {
      this.#batchFailed(batch, clientError(thrown, first?.what ?? ""));
    } finally {
      this.#batches--;
      this.#pump();
    }
  }

  #batchFailed(batch: readonly Job[], error: ColloquyError): void {
    const isUnsure = isColloquyError(error, "INDETERMINATE") || isColloquyError(error, "CLOSED");
    const lostBatch: LostBatch = { wasStored: undefined };
    if (noBatchCodes.has(apiCodeOf(error))) this.#takesBatches = false;
    for (const job of batch.toReversed()) {
      if (isUnsure) {
        job.lostBatch = job.unsure === undefined ? lostBatch : undefined;
        job.unsure ??= error;
      } else {
        // Nothing of it was stored.
        job.tries--;
        job.isAlone = true;
      }
      if (this.#mayTryAgain(job, error)) this.#tryAgain(job, true);
    }
  }

  #send(job: Job): void {
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
        if (refusal === undefined) {
          job.unsure ??= unanswered(job.what, why);
          if (job.lostBatch?.wasStored !== true) job.lostBatch = undefined;
          if (this.#mayTryAgain(job, job.unsure)) this.#tryAgain(job);
        } else {
          this.#fail(job, refusal);
        }
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

  #answered(job: Job, answer: NatsMessage): void {
    if (answer.headers?.code === 503) {
      this.#pause(job, noResponders(job.what));
      return;
    }
    try {
      const { seq, duplicate = false } = parseAnswer<PublishAcknowledgement>(answer, job.what);
      if (job.lostBatch !== undefined) job.lostBatch.wasStored = duplicate;
      this.#isBack(job);
      job.resolve({ seq, duplicate, repeated: job.tries > 1 });
    } catch (thrown) {
      const error = thrown as ColloquyError;
      if (busyCodes.has(apiCodeOf(error)) || error.code === "AGENT_UNREACHABLE") {
        this.#pause(job, error);
      } else if (job.tries > 1 && isColloquyError(error, "CONFLICT")) {
        const details = { ...error.details, repeated: true };
        this.#fail(job, new ColloquyError("CONFLICT", error.message, { details }));
      } else {
        this.#fail(job, error);
      }
    }
  }

  /** The server is there and cannot take it now. */
  #pause(job: Job, error: ColloquyError): void {
    if (!this.#mayTryAgain(job, error)) return;
    this.#tryAgain(job);
    if (this.#pausing) return;
    this.#pausing = true;
    this.#link.clock.setTimer(pauseMs, () => {
      this.#pausing = false;
      this.#pump();
    });
  }

  #trackOf({ isOrdered, message }: Job): Track | undefined {
    return isOrdered ? this.#tracks.get(message.subject) : undefined;
  }

  #setsOut(job: Job): void {
    job.tries++;
    job.untilMs ??= this.#link.clock.monotonicMs() + triesMs;
    if (job.lostBatch?.wasStored === false) job.unsure = job.lostBatch = undefined;
    if (!job.isOrdered) return;
    let track = this.#trackOf(job);
    if (track === undefined) {
      track = { onTheirWay: 0, parked: new RingBuffer(), isDue: false };
      this.#tracks.set(job.message.subject, track);
    }
    track.onTheirWay++;
  }

  #isBack(job: Job): void {
    const track = this.#trackOf(job);
    if (track === undefined) return;
    track.onTheirWay--;
    this.#tend(job, track);
  }

  #tend(job: Job, track: Track): void {
    if (track.onTheirWay > 0) return;
    if (track.parked.size === 0) {
      this.#tracks.delete(job.message.subject);
    } else if (!track.isDue) {
      track.isDue = true;
      this.#due.push(track);
    }
  }

  /** What is refused now may have been stored before. A conflict says more: who reads what is there knows. */
  #fail(job: Job, error: ColloquyError): void {
    this.#isBack(job);
    const isKnown = error.code === "CONFLICT" || error === this.#link.failure;
    job.reject(isKnown ? error : (job.unsure ?? error));
  }

  /** @returns false when it has failed with `error` for good. */
  #mayTryAgain(job: Job, error: ColloquyError): boolean {
    const { failure, clock } = this.#link;
    const isLate = job.untilMs !== undefined && clock.monotonicMs() >= job.untilMs;
    if (failure === undefined && !isLate) return true;
    this.#fail(job, failure ?? error);
    return false;
  }

  /** @param isFirst - also of those that need not be. */
  #tryAgain(job: Job, isFirst: boolean = false): void {
    const track = this.#trackOf(job);
    if (track !== undefined) track.parked.unshift(job);
    else if (isFirst) this.#again.unshift(job);
    else this.#again.push(job);
    this.#isBack(job);
  }
}

/**
 * Of a batch that may have been stored the first of a subject goes alone. Where the server knows it, it knows
 * the others too, and they cannot overtake one another any more.
 */
function howToSend({ isAlone, isOrdered, lostBatch }: Job): "alone" | "together" | "as stored" {
  if (isAlone) return "alone";
  if (!isOrdered || lostBatch === undefined) return "together";
  if (lostBatch.wasStored === undefined) return "alone";
  return lostBatch.wasStored ? "as stored" : "together";
}
