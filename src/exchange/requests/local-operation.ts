/**
 * A request or stream between agents of this process, once somebody may know its id: it can be left by
 * whoever waits, attached to by others, and is kept for a while when it has ended.
 */
import { ColloquyError, type TimeoutOutcome } from "../../errors.ts";
import type { Timer } from "../../runtime/clock.ts";
import { takenOver, tooManyReaders } from "../failures.ts";
import type { Site } from "../site.ts";
import { type Handled, keptMs, type Reader, readersMax, type WorkState } from "./handled.ts";
import type { Tell } from "./operations.ts";
import type { Given, Questions } from "./questions.ts";

/** The call itself. */
export interface LeavableCall {
  readonly kind: "request" | "stream";
  readonly name: string;
  readonly outcome: TimeoutOutcome;
  cancel(reason: ColloquyError): void;
  grant(credit: number): void;
  readonly questions: Questions | undefined;
  /** Nobody waits any more; whoever did learns why from `reject`. */
  letGo(): void;
  reject(error: unknown): void;
}

interface Unread {
  readonly sequence: number;
  readonly chunk: unknown;
}

export class LocalOperation implements Handled {
  readonly #site: Site;
  readonly #id: string;
  readonly #call: LeavableCall;
  #left = false;
  /** Those who attached; of a stream one at most, who has taken it over. */
  #readers: readonly Reader[] = [];
  /** Chunks that nobody was there to read. */
  #unread: readonly Unread[] = [];
  #sent: number;
  #hold: Timer | undefined;

  /** @param sent - number of the last chunk so far. */
  constructor(site: Site, id: string, call: LeavableCall, sent: number) {
    this.#site = site;
    this.#id = id;
    this.#call = call;
    this.#sent = sent;
    site.operations.add(id, this);
  }

  get left(): boolean {
    return this.#left;
  }

  get readers(): readonly Reader[] {
    return this.#readers;
  }

  get outcome(): TimeoutOutcome {
    return this.#call.outcome;
  }

  cancel(reason: ColloquyError): void {
    if (this.outcome !== "done") this.#call.cancel(reason);
  }

  grant(credit: number): void {
    this.#call.grant(credit);
  }

  leave(reader?: string): void {
    if (reader !== undefined) this.#readers = this.#readers.filter(({ id }) => id !== reader);
    else if (!this.#left) {
      this.#left = true;
      this.#call.letGo();
    }
    this.#holdStream();
  }

  attach(reader: Reader, after: number, credit: number): void {
    const { kind, name, outcome } = this.#call;
    const others = this.#readers.filter(({ id }) => id !== reader.id);
    if (others.length >= readersMax) return reader.fail(tooManyReaders(name, readersMax));
    if (kind === "stream") {
      if (!this.#left) {
        this.leave();
        this.#call.reject(takenOver(name));
      }
      for (const other of others) other.fail(takenOver(name));
    }
    this.#readers = kind === "stream" ? [reader] : [...others, reader];
    this.#unread = this.#unread.filter(({ sequence }) => sequence > after);
    const { questions } = this.#call;
    const started = questions?.waiting === true ? "waiting-input" : "started";
    this.#readUnread(reader, outcome === "not-started" ? "queued" : started);
    this.grant(credit);
    this.#holdStream();
    if (this.#left) questions?.poseAgain();
  }

  answer(number: number, given: Given): void {
    this.#call.questions?.answer(number, given);
  }

  /** Whoever waits is asked: where it has left, the last who attached. */
  ask(number: number, question: unknown): void {
    this.#readers.at(-1)?.ask(number, question);
  }

  /** The handler waits for an answer, or does so no longer. */
  onWaiting(waiting: boolean): void {
    const state = waiting ? "waiting-input" : "started";
    for (const reader of this.#readers) reader.accepted(state, this.#sent);
  }

  progress(data: unknown): void {
    for (const reader of this.#readers) reader.progress(data);
  }

  chunk(sequence: number, chunk: unknown): void {
    this.#sent = sequence;
    for (const reader of this.#readers) reader.chunk(sequence, chunk);
    // Bounded by the credit of whoever reads, or read last.
    if (this.#left) this.#unread = [...this.#unread.slice(-unreadMax), { sequence, chunk }];
  }

  succeed(result: unknown): void {
    this.#end((reader) => reader.end(result, this.#sent), "done");
  }

  /** @param outcome - what was known when it failed, or was cancelled. */
  fail(error: unknown, outcome: TimeoutOutcome): void {
    this.#end((reader) => reader.fail(error), outcome);
  }

  /** A stream that nobody reads is cancelled after a while. */
  #holdStream(): void {
    this.#hold?.cancel();
    const { kind, name } = this.#call;
    if (kind === "request" || !this.#left || this.#readers.length > 0) return;
    this.#hold = this.#site.clock.setTimer(keptMs, () => {
      this.cancel(new ColloquyError("CANCELLED", `${name}: nobody reads it any more`));
    });
  }

  /** Also for those who attach later. */
  #end(tell: Tell, outcome: TimeoutOutcome): void {
    const all: Tell = (reader) => {
      if (this.#call.kind === "stream") this.#readUnread(reader, "started");
      tell(reader);
    };
    this.#hold?.cancel();
    this.#site.operations.end(this.#id, all, outcome);
    for (const reader of this.#readers) tell(reader);
  }

  #readUnread(reader: Reader, state: WorkState): void {
    reader.accepted(state, (this.#unread[0]?.sequence ?? this.#sent + 1) - 1);
    for (const { sequence, chunk } of this.#unread) reader.chunk(sequence, chunk);
  }
}

/** Chunks kept for a reader that attaches again. */
const unreadMax = 1_000;
