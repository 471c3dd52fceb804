/** A request that came from another process, from its arrival to the reply. */
import type { Lane } from "../../broker/broker.ts";
import { ColloquyError, errorInfo, isColloquyError, type TimeoutOutcome } from "../../errors.ts";
import type { Envelope, Sender } from "../../message/envelope.ts";
import { decodeMessage } from "../../message/envelope-codec.ts";
import type { EncodedPayload, Message } from "../../message/message.ts";
import { decodePayload } from "../../message/payload.ts";
import type { Timer } from "../../runtime/clock.ts";
import { type Mandate, mandateOf, type Run } from "../causality/mandate.ts";
import { type StagedEffect, writeEffects } from "../effects.ts";
import { closed, pastDeadline, takenOver, tooManyReaders, unreachable } from "../failures.ts";
import { type Site, Timed } from "../site.ts";
import { cancelWork, laneOf, type Work } from "../work.ts";
import { type Handled, keptMs, type Reader, readersMax } from "./handled.ts";
import { notAskedInChunks } from "./local-call.ts";
import { formatOperationId } from "./operation.ts";
import { type AskOptions, type Given, Questions } from "./questions.ts";
import { Requester } from "./requester.ts";
import { CreditGate, pump } from "./stream.ts";

export interface SentChunk {
  readonly sequence: number;
  readonly frame: Uint8Array;
}

/** What work needs of the table it is in. */
export interface WorkTable {
  /** Called once, with the frame of the reply when one is sent, and the chunks that may not have been read. */
  ended(id: string, reply: Uint8Array | undefined, unread: readonly SentChunk[]): void;
}

/** In the wheel only where there is a deadline: whoever set it may be gone by then. */
export class RemoteWork extends Timed implements Work, Handled {
  readonly kind: "request" | "stream";
  readonly message: Envelope;
  readonly mandate: Mandate | undefined;
  readonly attempt = 1;
  readonly claim = undefined;
  run: Run | undefined;
  placeless = false;
  cancelled: ColloquyError | undefined;
  onCancelled: ((reason: ColloquyError) => void) | undefined;
  calls: Work["calls"];
  /** The requester has stopped waiting, and the work goes on, also without it. */
  left = false;
  readonly #site: Site;
  readonly #self: Sender;
  readonly #payload: EncodedPayload;
  readonly #table: WorkTable;
  readonly #requester: Requester;
  readonly #gate: CreditGate;
  /** Chunks the requester may not have read yet. */
  #unread: SentChunk[] = [];
  /** Number of the last chunk. */
  #sent: number;
  /** The largest that any reader has had. */
  #window: number;
  #state: "waiting" | "started" | "committing" | "final" = "waiting";
  /** Those who attached; of a stream one at most, who has taken it over. */
  readers: readonly Reader[] = [];
  #hold: Timer | undefined;
  /** Made with the first. */
  #questions: Questions | undefined;
  #acknowledged: "waiting" | "started" | undefined;
  #input: { readonly value: unknown } | undefined;

  constructor(site: Site, self: Sender, { envelope, payload }: Message, table: WorkTable) {
    super();
    this.#site = site;
    this.#self = self;
    this.#payload = payload;
    this.#table = table;
    this.message = envelope;
    this.mandate = mandateOf(envelope, site.limits);
    this.kind = envelope.credit === undefined ? "request" : "stream";
    this.#gate = new CreditGate(envelope.credit ?? 0);
    this.#sent = envelope.sequence ?? 0;
    this.#window = (envelope.credit ?? 0) - this.#sent;
    this.#requester = new Requester(site, self, envelope);
    if (envelope.deadlineMs !== undefined) {
      site.timeouts.add(this, Math.max(0, envelope.deadlineMs - site.clock.nowMs()));
    }
  }

  get name(): string {
    return this.message.name;
  }

  get lane(): Lane {
    return laneOf[this.message.priority];
  }

  get resumeFrom(): number | undefined {
    return this.message.sequence;
  }

  beResumable(): void {
    if (!this.left) this.#requester.tell("resumable", undefined);
  }

  get startByMs(): number {
    return this.deadlineAtMs;
  }

  get deadlineAtMs(): number {
    return this.message.deadlineMs ?? Number.POSITIVE_INFINITY;
  }

  get input(): unknown {
    this.#input ??= { value: decodePayload(this.#payload) };
    return this.#input.value;
  }

  started(): void {
    if (this.#state === "waiting") this.#state = "started";
  }

  progress(data: unknown): void {
    if (this.#state === "final") return;
    if (!this.left) this.#requester.tell("progress", data);
    for (const reader of this.readers) reader.progress(data);
  }

  async answerWith(
    chunks: AsyncIterable<unknown>,
    effects: () => readonly StagedEffect[],
  ): Promise<void> {
    if (this.kind === "request") return this.fail(notAskedInChunks(this.name));
    await pump(
      chunks,
      this.#gate,
      {
        chunk: (sequence, chunk) => this.#sendChunk(sequence, chunk),
        end: (result, sequence) => this.succeed(result, effects(), sequence),
        fail: (error) => this.fail(error),
      },
      this.resumeFrom,
    );
  }

  succeed(
    result: unknown,
    effects: readonly StagedEffect[],
    sequence?: number,
  ): Promise<void> | undefined {
    if (this.#state === "final") return undefined;
    if (effects.length > 0) return this.#succeedWith(result, effects, sequence);
    let frame: Uint8Array;
    try {
      frame = this.#requester.answer(result, sequence, this.#budgetLeft);
    } catch (error) {
      this.fail(error);
      return undefined;
    }
    this.#reply(frame);
    for (const reader of this.readers) reader.end(result, sequence ?? 0);
    return undefined;
  }

  fail(error: unknown): void {
    if (this.#state === "final") return;
    // The agent leaves: another may take it.
    if (this.#state === "waiting" && isColloquyError(error, "CLOSED")) this.refuse();
    else {
      this.#reply(this.#requester.failure(errorInfo(error), this.#budgetLeft));
      for (const reader of this.readers) reader.fail(error);
    }
  }

  /** It was not started here, and will not be. */
  refuse(): void {
    if (this.#state === "final") return;
    this.#requester.tell("refused", undefined);
    this.#finish(undefined);
    const { instance, agent } = this.#self;
    const id = formatOperationId({ instance, agent, messageId: this.message.id });
    for (const reader of this.readers) {
      reader.fail(unreachable(this.name, agent, "not-started", id));
    }
  }

  cancel(reason: ColloquyError, isTold = false): void {
    if (this.#state === "final" || this.#state === "committing") return;
    if (isTold) return this.stop(reason, reason);
    this.#questions?.end(reason);
    this.#finish(undefined);
    this.cancelled = reason;
    cancelWork(this, reason);
    for (const reader of this.readers) reader.fail(reason);
  }

  leave(reader?: string): void {
    if (reader === undefined) this.left = true;
    else this.readers = this.readers.filter(({ id }) => id !== reader);
    this.#holdStream();
  }

  attach(reader: Reader, after: number, credit: number): void {
    const { kind, left } = this;
    const others = this.readers.filter(({ id }) => id !== reader.id);
    if (others.length >= readersMax) return reader.fail(tooManyReaders(this.name, readersMax));
    if (kind === "stream") {
      if (!left) this.#tellTakenOver();
      for (const other of others) other.fail(takenOver(this.name));
      this.left = true;
    }
    this.readers = kind === "stream" ? [reader] : [...others, reader];
    this.#unread = this.#unread.filter(({ sequence }) => sequence > after);
    const first = this.#unread[0]?.sequence ?? this.#sent + 1;
    const started = this.#questions?.waiting === true ? "waiting-input" : "started";
    reader.accepted(this.#state === "waiting" ? "queued" : started, first - 1);
    for (const { sequence, frame } of this.#unread) {
      reader.chunk(sequence, decodePayload(decodeMessage(frame).payload));
    }
    this.#window = Math.max(this.#window, credit - after);
    this.#gate.grant(credit);
    this.#holdStream();
    if (this.left) this.#questions?.poseAgain();
  }

  /** The deadline has passed. */
  override expire(): void {
    const { name, outcome } = this;
    if (outcome === "done") return;
    const { instance, agent } = this.#self;
    const id = formatOperationId({ instance, agent, messageId: this.message.id });
    const reason = pastDeadline({ name, id, outcome });
    this.stop(reason, reason);
  }

  /** The requester gets `error`, the handler learns of `reason`. */
  stop(error: ColloquyError, reason: ColloquyError): void {
    if (this.#state === "final") return;
    this.#questions?.end(reason);
    this.fail(error);
    this.cancelled = reason;
    cancelWork(this, reason);
  }

  /** The process leaves: the requester is told that nobody is at work any more. */
  abandon(error: ColloquyError, reason: ColloquyError): void {
    if (!this.left) this.#requester.tell("forgotten", undefined);
    for (const reader of this.readers) reader.fail(error);
    this.readers = [];
    this.cancel(reason);
  }

  /** What there is to say about it now. */
  get outcome(): TimeoutOutcome {
    if (this.#state === "waiting") return "not-started";
    return this.#state === "started" ? "in-progress" : "done";
  }

  ask(question: unknown, options: AskOptions): Promise<unknown> {
    this.#questions ??= new Questions({
      clock: this.#site.clock,
      name: this.name,
      pose: (number, posed) => this.#pose(number, posed),
      onWaiting: (waiting) => {
        const state = waiting ? "waiting-input" : "started";
        for (const reader of this.readers) reader.accepted(state, this.#sent);
      },
    });
    return this.#questions.ask(question, options);
  }

  answer(number: number, given: Given): void {
    this.#questions?.answer(number, given);
  }

  grant(credit: number): void {
    this.#gate.grant(credit);
  }

  /** Tells the requester that the work is here, once for each state. */
  acknowledge(): void {
    if (this.#state === "final" || this.left) return;
    const state = this.#state === "waiting" ? "waiting" : "started";
    if (this.#acknowledged === state) return;
    this.#acknowledged = state;
    this.#requester.tell("accepted", state === "started" ? "started" : "queued");
  }

  /** After a reconnect: the requester has chunks up to `received`, has granted `credit`, and asks. */
  resume(received: number, credit: number): void {
    // It may not have heard of that.
    if (this.left && this.kind === "stream") return this.#tellTakenOver();
    this.#acknowledged = undefined;
    this.acknowledge();
    this.#unread = this.#unread.filter(({ sequence }) => sequence > received);
    for (const { frame } of this.#unread) this.#requester.send(frame);
    this.#gate.grant(credit);
    this.#questions?.poseAgain();
  }

  /** Whoever waits is asked: where the requester has left, the last who attached. */
  #pose(number: number, question: unknown): void {
    if (this.left) this.readers.at(-1)?.ask(number, question);
    else this.#requester.tell("question", { number, question });
  }

  /** The requester reads no longer: somebody who has attached does. */
  #tellTakenOver(): void {
    // What is left of its budget stays with the work, which goes on.
    this.#requester.send(this.#requester.failure(errorInfo(takenOver(this.name))));
  }

  async #succeedWith(
    result: unknown,
    effects: readonly StagedEffect[],
    sequence: number | undefined,
  ): Promise<void> {
    this.#state = "committing";
    try {
      await writeEffects(this.#site.broker, effects);
    } catch (error) {
      return this.fail(error);
    }
    await this.succeed(result, [], sequence);
  }

  #sendChunk(sequence: number, chunk: unknown): void {
    const frame = this.#requester.chunk(sequence, chunk);
    this.#unread.push({ sequence, frame });
    // Credit is what was read plus the window, so what lies a whole window back has been read.
    const window = this.#window;
    if (this.#unread.length > 2 * window) this.#unread = this.#unread.slice(window);
    this.#sent = sequence;
    if (!this.left) this.#requester.send(frame);
    for (const reader of this.readers) reader.chunk(sequence, chunk);
  }

  /** A stream that nobody reads is cancelled after a while. */
  #holdStream(): void {
    this.#hold?.cancel();
    if (this.kind === "request" || !this.left || this.readers.length > 0) return;
    this.#hold = this.#site.clock.setTimer(keptMs, () => {
      this.cancel(new ColloquyError("CANCELLED", `${this.name}: nobody reads it any more`));
    });
  }

  /** Goes back to whoever has lent it, with the answer. */
  get #budgetLeft(): number | undefined {
    return this.mandate?.budget?.left;
  }

  #reply(frame: Uint8Array): void {
    this.#finish(frame);
    if (!this.left) this.#requester.send(frame);
  }

  #finish(reply: Uint8Array | undefined): void {
    this.#state = "final";
    this.#questions?.end(closed(this.name));
    this.mandate?.budget?.end();
    if (this.message.deadlineMs !== undefined) this.#site.timeouts.remove(this);
    this.#hold?.cancel();
    this.#gate.shut();
    this.#table.ended(this.message.id, reply, this.#unread);
  }
}
