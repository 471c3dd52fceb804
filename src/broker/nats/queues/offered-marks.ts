/**
 * How far the messages of one queue may have been offered, by lane. A first offer has no record, and a
 * server that has crashed may not remember whom it delivered what to. So the mark is stored before a
 * message above it is offered, some way ahead of it: who looks at it after a crash knows that the messages
 * above it have been in nobody's hands. Marks only rise.
 */
import { isColloquyError } from "../../../errors.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { Lane } from "../../broker.ts";
import type { NatsLink } from "../connection.ts";
import { afterConflict, jsHeaders, lastOf, publish } from "../jetstream.ts";
import { jsonObject } from "../json-object.ts";
import type { Publisher } from "./publisher.ts";
import type { QueueSubjects } from "./subjects.ts";

/** Positions by lane. */
export type Marks = readonly number[];

interface Stored {
  readonly marks: Marks;
  /** It will end, as the mailbox was removed, and has to be written anew before it counts. */
  readonly isEnding: boolean;
  /** 0: there is none. */
  readonly seq: number;
}

/** How far ahead, at least and at most: positions are common to all queues, and many may be others'. */
const aheadMin = 1_024;
const aheadMax = 2 ** 20;
/** Fewer offers between two writings, and the next mark is set twice as far ahead. */
const offersMin = 256;
/** Others write it too; they are as many as receive. */
const triesMax = 100;
/** Whoever had the marks of a mailbox in mind that was removed has long heard of that. */
const endingSeconds = 24 * 3_600;

const none: Marks = [0, 0, 0, 0];
const encoder = new TextEncoder();

interface Waiting {
  readonly lane: Lane;
  readonly position: number;
  readonly covered: Deferred<void>;
}

export class OfferedMarks {
  readonly #link: NatsLink;
  readonly #publisher: Publisher;
  readonly #subject: string;
  /** As stored by anybody, as far as is known: all that is below may be offered. */
  #marks: Marks = none;
  #seq = 0;
  /** The reading of this connection, and what it found. */
  #reading: Promise<Marks> | undefined;
  #wanted: Marks = none;
  #waiting: Waiting[] = [];
  #isRaising = false;
  #ahead = aheadMin;
  #offers = 0;

  constructor(link: NatsLink, subjects: QueueSubjects, publisher: Publisher, queue: string) {
    this.#link = link;
    this.#publisher = publisher;
    this.#subject = subjects.offered(queue);
  }

  /**
   * The marks as this connection has found them: at least as high as when the server started.
   *
   * @throws as `lastOf`.
   */
  found(): Promise<Marks> {
    if (this.#reading === undefined) {
      const reading = this.#read();
      this.#reading = reading;
      reading.catch(() => {
        if (this.#reading === reading) this.#reading = undefined;
      });
    }
    return this.#reading;
  }

  /** Whether the message may be offered. Sees to it in time that those above it may be. */
  covers(lane: Lane, position: number): boolean {
    this.#offers++;
    this.#want(lane, position);
    return position <= (this.#marks[lane] as number);
  }

  /** Resolves when the message may be offered. @throws what the server says, or CLOSED. */
  cover(lane: Lane, position: number): Promise<void> {
    if (position <= (this.#marks[lane] as number)) return Promise.resolve();
    const covered = new Deferred<void>();
    this.#waiting.push({ lane, position, covered });
    this.#want(lane, position);
    return covered.promise;
  }

  /** The connection is lost: others may write them before there is another. */
  lost(): void {
    this.#reading = undefined;
  }

  /** The mailbox was removed, and what was known of its messages will end. */
  removed(): void {
    this.#reading = undefined;
    this.#marks = none;
  }

  #want(lane: Lane, position: number): void {
    const mark = Math.max(this.#wanted[lane] as number, this.#marks[lane] as number);
    if (position + this.#ahead / 2 > mark) {
      this.#adapt();
      this.#wanted = this.#wanted.with(lane, position + this.#ahead);
    }
    if (this.#isRaising || !this.#isWanting) return;
    this.#isRaising = true;
    void this.#raise();
  }

  async #raise(): Promise<void> {
    try {
      for (let tries = 1; this.#isWanting; ) tries = (await this.#try(tries)) ? 1 : tries + 1;
      this.#isRaising = false;
    } catch (error) {
      this.#isRaising = false;
      this.#wanted = this.#marks;
      for (const { covered } of this.#waiting.splice(0)) covered.reject(error);
    }
  }

  get #isWanting(): boolean {
    return this.#wanted.some((position, lane) => position > (this.#marks[lane] as number));
  }

  /** @returns whether they were written, and not by somebody else meanwhile. */
  async #try(tries: number): Promise<boolean> {
    await this.found();
    let isWritten = true;
    const marks = higher(this.#marks, this.#wanted);
    const headers = { [jsHeaders.expectedLast]: `${this.#seq}` };
    const message = { subject: this.#subject, payload: encode(marks, false), headers };
    try {
      const { seq } = await this.#publisher.publish(message, "queues.receive");
      this.#seq = seq;
      this.#marks = higher(this.#marks, marks);
    } catch (error) {
      if (!isColloquyError(error, "CONFLICT") || tries >= triesMax) throw error;
      isWritten = false;
      await afterConflict(this.#link, tries, undefined);
      // What this connection has found stays as it is: others have offered since.
      this.#take(await readStored(this.#link, this.#subject));
    }
    const isCovered = ({ lane, position }: Waiting) => position <= (this.#marks[lane] as number);
    const covered = this.#waiting.filter(isCovered);
    this.#waiting = this.#waiting.filter((each) => !isCovered(each));
    for (const each of covered) each.covered.resolve();
    return isWritten;
  }

  /** Further ahead where a writing serves few messages, less far where it serves many. */
  #adapt(): void {
    if (this.#offers < offersMin) this.#ahead = Math.min(aheadMax, 2 * this.#ahead);
    else if (this.#offers > 2 * offersMin) this.#ahead = Math.max(aheadMin, this.#ahead / 2);
    this.#offers = 0;
  }

  async #read(): Promise<Marks> {
    const stored = await readStored(this.#link, this.#subject);
    this.#take(stored);
    return stored.marks;
  }

  #take({ marks, seq, isEnding }: Stored): void {
    this.#seq = seq;
    if (!isEnding) this.#marks = higher(this.#marks, marks);
    else this.#wanted = higher(this.#wanted, marks);
  }
}

/** The mailbox was removed: its marks end in a day, unless it is declared and received from again. */
export async function endMarks(
  link: NatsLink,
  subjects: QueueSubjects,
  queue: string,
  signal?: AbortSignal,
): Promise<void> {
  const subject = subjects.offered(queue);
  const { marks, seq, isEnding } = await readStored(link, subject, signal);
  if (seq === 0 || isEnding) return;
  const headers = { [jsHeaders.expectedLast]: `${seq}`, [jsHeaders.ttl]: `${endingSeconds}s` };
  try {
    const message = { subject, payload: encode(marks, true), headers };
    await publish(link, message, "queues.remove", signal);
  } catch (error) {
    // Somebody receives from it still.
    if (!isColloquyError(error, "CONFLICT")) throw error;
  }
}

async function readStored(link: NatsLink, subject: string, signal?: AbortSignal): Promise<Stored> {
  const [message] = await lastOf(link, "state", [subject], signal);
  if (message === undefined) return { marks: none, seq: 0, isEnding: false };
  const { seq } = message;
  const { marks, isEnding } = (jsonObject(message.data) ?? {}) as Partial<Stored>;
  const isReadable =
    Array.isArray(marks) && marks.length === none.length && marks.every(isPosition);
  if (isReadable) return { marks, seq, isEnding: isEnding === true };
  // Somebody else has written there: anything may have been offered of what was there before.
  const last = link.facts.streams.work.state.last_seq;
  return { marks: none.map(() => last), seq, isEnding: true };
}

function isPosition(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function encode(marks: Marks, isEnding: boolean): Uint8Array {
  return encoder.encode(JSON.stringify({ marks, isEnding }));
}

function higher(one: Marks, other: Marks): Marks {
  return one.map((position, lane) => Math.max(position, other[lane] as number));
}
