/**
 * What handlers asked while they handled a message, and what was answered: kept until the message is
 * final, so that a handler which starts over after a crash finds the answers it has been given. Few
 * messages ask anything; those that do are in memory, too. Rows of the table `later`:
 *
 *   a = 2^46 + queue number   b = position   question *      in the order in which they were asked
 *   question = bytes u32, question, answered u8, [bytes u32, answer]
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { Answer } from "../broker.ts";
import type { Group, Participant } from "./group.ts";
import type { NumberedRow, Storage, Write } from "./storage.ts";

const region = 2 ** 46;
const regionLast = 2 ** 47 - 1;
const scanRows = 1_024;
const writer = new ByteWriter();

export interface Question {
  readonly data: Uint8Array;
  readonly answer: Uint8Array | undefined;
}

/** Of one message; the first is number 1. */
export type Questions = readonly Question[];

export class OpenQuestions {
  readonly #byQueue = new Map<number, Map<number, Questions>>();
  #bytes = 0;
  #changes: QuestionChanges | undefined;

  constructor(storage: Storage) {
    for (let a = region, b = 0; ; ) {
      const rows = storage.scan("later", a, b, regionLast, { rows: scanRows });
      for (const row of rows) this.#set(row.a - region, row.b, decode(row));
      const last = rows.at(-1);
      if (last === undefined) return;
      ({ a } = last);
      b = last.b + 1;
    }
  }

  /** Bytes of all questions and answers. */
  get bytes(): number {
    return this.#bytes;
  }

  get none(): boolean {
    return this.#byQueue.size === 0;
  }

  of(queueNumber: number, position: number): Questions | undefined {
    return this.#byQueue.get(queueNumber)?.get(position);
  }

  /** Whether messages of the queue have asked anything. */
  any(queueNumber: number): boolean {
    return this.#byQueue.has(queueNumber);
  }

  put(group: Group, queueNumber: number, position: number, questions: Questions | undefined): void {
    if (this.#changes === undefined) {
      this.#changes = new QuestionChanges(this, () => {
        this.#changes = undefined;
      });
      group.join(this.#changes);
    }
    this.#changes.note(queueNumber, position, this.of(queueNumber, position));
    this.#set(queueNumber, position, questions);
  }

  /** The queue was removed; its rows are deleted with the others. */
  forget(queueNumber: number): void {
    for (const questions of this.#byQueue.get(queueNumber)?.values() ?? []) {
      this.#bytes -= bytesOf(questions);
    }
    this.#byQueue.delete(queueNumber);
  }

  /** For the changes of a group that was refused. */
  restore(queueNumber: number, position: number, questions: Questions | undefined): void {
    this.#set(queueNumber, position, questions);
  }

  #set(queueNumber: number, position: number, questions: Questions | undefined): void {
    const ofQueue = this.#byQueue.get(queueNumber) ?? new Map<number, Questions>();
    this.#bytes += bytesOf(questions) - bytesOf(ofQueue.get(position));
    if (questions === undefined) ofQueue.delete(position);
    else ofQueue.set(position, questions);
    if (ofQueue.size === 0) this.#byQueue.delete(queueNumber);
    else this.#byQueue.set(queueNumber, ofQueue);
  }
}

interface Changed {
  readonly queueNumber: number;
  readonly position: number;
  readonly before: Questions | undefined;
}

class QuestionChanges implements Participant {
  readonly #questions: OpenQuestions;
  readonly #onEnd: () => void;
  readonly #changed: Changed[] = [];

  constructor(questions: OpenQuestions, onEnd: () => void) {
    this.#questions = questions;
    this.#onEnd = onEnd;
  }

  note(queueNumber: number, position: number, before: Questions | undefined): void {
    this.#changed.push({ queueNumber, position, before });
  }

  seal(writes: Write[]): void {
    for (const { queueNumber, position } of this.#changed) {
      const questions = this.#questions.of(queueNumber, position);
      const value = questions === undefined ? undefined : encode(questions);
      writes.push({ table: "later", a: questionsKey(queueNumber), b: position, value });
    }
  }

  committed(): void {
    this.#onEnd();
  }

  reverted(): void {
    for (const { queueNumber, position, before } of this.#changed.toReversed()) {
      this.#questions.restore(queueNumber, position, before);
    }
    this.#onEnd();
  }
}

/** The first part of the key of the rows of one queue. */
export function questionsKey(queueNumber: number): number {
  return region + queueNumber;
}

/** The number of the last question while it has no answer; 0 when nothing is open. */
export function openNumber(questions: Questions | undefined): number {
  const last = questions?.at(-1);
  return questions !== undefined && last !== undefined && last.answer === undefined
    ? questions.length
    : 0;
}

export function answersIn(questions: Questions): readonly Answer[] {
  return questions.flatMap(({ answer }, index) =>
    answer === undefined ? [] : [{ number: index + 1, data: answer }],
  );
}

function bytesOf(questions: Questions | undefined): number {
  let bytes = 0;
  for (const { data, answer } of questions ?? []) bytes += data.length + (answer?.length ?? 0);
  return bytes;
}

function encode(questions: Questions): Uint8Array {
  for (const { data, answer } of questions) {
    writer.uint32(data.length);
    writer.bytes(data);
    writer.uint8(answer === undefined ? 0 : 1);
    if (answer === undefined) continue;
    writer.uint32(answer.length);
    writer.bytes(answer);
  }
  return writer.take();
}

function decode({ value }: NumberedRow): Questions {
  const reader = new ByteReader(value);
  const questions: Question[] = [];
  while (reader.left > 0) {
    const data = reader.bytes("question", reader.uint32("bytes"));
    const answered = reader.uint8("answered") === 1;
    const answer = answered ? reader.bytes("answer", reader.uint32("bytes")) : undefined;
    questions.push({ data, answer });
  }
  return questions;
}
