/**
 * A request between two agents of one process: the short way. Nothing is encoded, and what is not
 * asked for (an id, an envelope, a signal) is not made.
 */
import type { Lane } from "../../broker/broker.ts";
import {
  ColloquyError,
  isColloquyError,
  type TimeoutOutcome,
  toColloquyError,
} from "../../errors.ts";
import type { Envelope, Sender } from "../../message/envelope.ts";
import { assertPlain } from "../../message/plain.ts";
import { copyPlain } from "../../message/plain-copy.ts";
import { onAbort } from "../../runtime/abort.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { WheelEntry } from "../../runtime/timer-wheel.ts";
import { deadlineOf } from "../causality/deadline.ts";
import type { Mandate, Run } from "../causality/mandate.ts";
import { type StagedEffect, writeEffects } from "../effects.ts";
import { envelopeOf } from "../envelopes.ts";
import { cancelledBecause, closed, pastDeadline, timedOut, unreachable } from "../failures.ts";
import { type StreamOptions, timeoutMsDefault, windowDefault } from "../options.ts";
import type { Site, Timed } from "../site.ts";
import { beginCall, cancelWork, endCall, type LocalAgent, laneOf, type Work } from "../work.ts";
import { LocalInput } from "./local-input.ts";
import { type LeavableCall, LocalOperation } from "./local-operation.ts";
import { formatOperationId } from "./operation.ts";
import { tellProgress } from "./progress.ts";
import type { AskOptions, Questions } from "./questions.ts";
import { type CancelOutcome, CreditGate, type Held, pump, StreamReader } from "./stream.ts";

export interface LocalCallInput {
  readonly site: Site;
  readonly from: Sender;
  readonly agent: LocalAgent;
  readonly name: string;
  readonly input: unknown;
  readonly options: StreamOptions;
  /** The work in whose handling the call is made. */
  readonly cause: Work | undefined;
  readonly mandate: Mandate | undefined;
}

/** Asks `call.agent`; rejects with the handler's error, TIMEOUT or CANCELLED. */
export function callLocally(call: LocalCallInput): Promise<unknown> {
  return new Promise((resolve, reject) => {
    new LocalCall("request", call, resolve, reject).begin();
  });
}

/** As `callLocally`, with a handle; the id of the work is made when somebody looks at it. */
export function holdLocally(call: LocalCallInput): Held {
  const answer = new Deferred<unknown>();
  const local = new LocalCall("request", call, answer.resolve, answer.reject);
  local.beKnown();
  local.begin();
  return { source: local, result: answer.promise };
}

/** As `callLocally`, with the answer in chunks. */
export function streamLocally(call: LocalCallInput): StreamReader {
  const window = call.options.window ?? windowDefault;
  const gate = new CreditGate(window);
  const reader: StreamReader = new StreamReader({
    window,
    source: () => local,
    grant: (credit) => local.grant(credit),
    abandon: () => local.cancel(new ColloquyError("CANCELLED", "the reader left before the end")),
  });
  const local = new LocalCall(
    "stream",
    call,
    (result) => reader.end(result),
    (error) => reader.fail(error),
    { reader, gate },
  );
  local.begin();
  return reader;
}

interface Streaming {
  readonly reader: StreamReader;
  readonly gate: CreditGate;
}

/** States of a call, in order. */
const waiting = 0;
const started = 1;
/** Its effects are being written: it is too late to give up. */
const committing = 2;
const final = 3;

/**
 * Made for every request, and seen as `Work` only: plain members cost less than private methods, and
 * fields of its own less than those of a class above it.
 */
class LocalCall implements Timed, Work, LeavableCall {
  wheelNext: WheelEntry | undefined = undefined;
  wheelPrevious: WheelEntry | undefined = undefined;
  wheelDelayMs = 0;
  wheelDueTick = 0;
  readonly kind: "request" | "stream";
  readonly input: unknown;
  readonly deadlineAtMs: number;
  cancelled: ColloquyError | undefined = undefined;
  onCancelled: ((reason: ColloquyError) => void) | undefined = undefined;
  calls: Work["calls"] = undefined;
  readonly call: LocalCallInput;
  readonly streaming: Streaming | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  state: typeof waiting | typeof started | typeof committing | typeof final = waiting;
  forgetSignal: (() => void) | undefined = undefined;
  envelope: Envelope | undefined = undefined;
  run: Run | undefined = undefined;
  placeless = false;
  /** Made when somebody may know its id. */
  operation: LocalOperation | undefined = undefined;
  asking: LocalInput | undefined = undefined;

  constructor(
    kind: "request" | "stream",
    call: LocalCallInput,
    resolve: (result: unknown) => void,
    reject: (error: unknown) => void,
    streaming?: Streaming,
  ) {
    this.kind = kind;
    this.input = call.site.copy ? copyPlain(call.input) : call.input;
    this.deadlineAtMs = deadlineOf(call.site.clock, call.options, call.cause);
    this.call = call;
    this.streaming = streaming;
    this.resolve = resolve;
    this.reject = reject;
  }

  get name(): string {
    return this.call.name;
  }

  get attempt(): number {
    return 1;
  }

  get claim(): undefined {
    return undefined;
  }

  get mandate(): Mandate | undefined {
    return this.call.mandate;
  }

  get lane(): Lane {
    return laneOf[this.call.options.priority ?? "normal"];
  }

  get startByMs(): number {
    return this.deadlineAtMs;
  }

  get message(): Envelope {
    const { site, from, agent, name, options, cause, mandate } = this.call;
    this.envelope ??= envelopeOf(site, {
      kind: "request",
      name,
      from,
      to: [`agent:${agent.id}`],
      options,
      cause,
      mandate,
      deadlineAtMs: this.deadlineAtMs,
    });
    return this.envelope;
  }

  begin(): void {
    const { agent, options } = this.call;
    this.call.site.timeouts.add(this, this.waitMs());
    if (options.signal !== undefined) this.listen(options.signal);
    if (this.call.cause !== undefined) beginCall(this.call.cause, this);
    if (this.state !== final) agent.accept(this);
  }

  cancel(reason: ColloquyError): void {
    if (this.state !== final) this.giveUp(reason);
  }

  end(reason: ColloquyError): void {
    if (this.state !== committing) this.cancel(reason);
  }

  expire(): void {
    const { name, outcome, operationId: id } = this;
    const late = this.call.site.clock.nowMs() >= this.deadlineAtMs;
    const left = this.call.options.onTimeout === "leave";
    if (late) return this.giveUp(pastDeadline({ name, id, outcome }));
    const error = timedOut({ name, id, outcome, left }, this.timeoutMs);
    if (!left) return this.giveUp(error);
    this.operation?.leave();
    this.reject(error);
  }

  stop(): Promise<CancelOutcome> {
    if (this.cancelled === undefined && this.outcome === "done") {
      return Promise.resolve("too-late");
    }
    this.beKnown();
    this.cancel(cancelledBecause(this.name, undefined));
    return Promise.resolve("accepted");
  }

  ask(question: unknown, options: AskOptions): Promise<unknown> {
    this.asking ??= new LocalInput({
      clock: this.call.site.clock,
      name: this.name,
      onInput: this.call.options.onInput,
      handOver: (value) => this.handOver(value),
      poseElsewhere: (number, posed) => this.poseElsewhere(number, posed),
      onWaiting: (isWaiting) => this.onWaiting(isWaiting),
    });
    return this.asking.ask(question, options);
  }

  poseElsewhere(number: number, question: unknown): boolean {
    if (this.operation?.left !== true) return false;
    this.operation.ask(number, question);
    return true;
  }

  get questions(): Questions | undefined {
    return this.asking?.questions;
  }

  /** Silence does not count while somebody looks for an answer. */
  onWaiting(isWaiting: boolean): void {
    this.operation?.onWaiting(isWaiting);
    if (this.state !== final && this.operation?.left !== true) this.keepTime(isWaiting);
  }

  grant(credit: number): void {
    this.streaming?.gate.grant(credit);
    if (this.state !== final && this.operation?.left !== true) this.keepTime();
  }

  letGo(): void {
    const { cause } = this.call;
    this.forgetSignal?.();
    if (cause !== undefined) endCall(cause, this);
    this.keepTime(true);
  }

  get outcome(): TimeoutOutcome {
    if (this.state === waiting) return "not-started";
    return this.state === started ? "in-progress" : "done";
  }

  /** A reader that has had a chunk may have more to do. */
  get waitsFor(): this | undefined {
    return this.streaming !== undefined && this.streaming.reader.received > 0 ? undefined : this;
  }

  get operationId(): string {
    const { site, agent } = this.call;
    this.beKnown();
    const messageId = this.message.id;
    return formatOperationId({ instance: site.instance, messageId, agent: agent.id });
  }

  /** Whoever has its id can attach to it, and cancel it. */
  beKnown(): void {
    if (this.state === final || this.operation !== undefined) return;
    const sent = this.streaming?.reader.received ?? 0;
    this.operation = new LocalOperation(this.call.site, this.message.id, this, sent);
  }

  started(): void {
    if (this.state === waiting) this.state = started;
  }

  progress(data: unknown): void {
    if (this.state === final) return;
    const given = this.handOver(data);
    this.operation?.progress(given);
    if (this.operation?.left === true) return;
    const { site, options } = this.call;
    this.keepTime();
    tellProgress(site, this.name, options.onProgress, given);
  }

  async answerWith(
    chunks: AsyncIterable<unknown>,
    effects: () => readonly StagedEffect[],
  ): Promise<void> {
    const streaming = this.streaming;
    if (streaming === undefined) return this.fail(notAskedInChunks(this.name));
    const { reader, gate } = streaming;
    await pump(chunks, gate, {
      chunk: (sequence, chunk) => {
        const given = this.handOver(chunk);
        this.operation?.chunk(sequence, given);
        if (this.operation?.left === true) return;
        reader.push(sequence, given);
        this.keepTime();
      },
      end: (result) => this.succeed(result, effects()),
      fail: (error) => this.fail(error),
    });
  }

  succeed(result: unknown, effects: readonly StagedEffect[]): Promise<void> | undefined {
    if (this.state === final) {
      this.call.site.counters.late++;
      return undefined;
    }
    if (effects.length > 0) return this.succeedWith(result, effects);
    try {
      const answer = this.handOver(result);
      this.finish();
      this.operation?.succeed(answer);
      this.resolve(answer);
    } catch (error) {
      this.fail(error);
    }
    return undefined;
  }

  fail(error: unknown): void {
    if (this.state === final) {
      this.call.site.counters.late++;
      return;
    }
    // The agent leaves: another may take it.
    const refused = this.state === waiting && isColloquyError(error, "CLOSED");
    this.finish();
    const failure = refused
      ? unreachable(this.name, this.call.agent.id, "not-started")
      : toColloquyError(error);
    this.operation?.fail(failure, "done");
    this.reject(failure);
  }

  async succeedWith(result: unknown, effects: readonly StagedEffect[]): Promise<void> {
    this.state = committing;
    try {
      await writeEffects(this.call.site.broker, effects);
    } catch (error) {
      return this.fail(error);
    }
    await this.succeed(result, []);
  }

  handOver(value: unknown): unknown {
    if (this.call.site.copy) return copyPlain(value);
    // Inputs are read-only: what comes back as it went in was checked on its way in.
    if (value !== this.input) assertPlain(value);
    return value;
  }

  get timeoutMs(): number {
    return this.call.options.timeoutMs ?? timeoutMsDefault;
  }

  /** Silence counts from now on, unless it is not the handler's. */
  keepTime(isPaused = false): void {
    const { timeouts, clock } = this.call.site;
    if (!isPaused && this.streaming?.reader.full !== true) timeouts.add(this, this.waitMs());
    else if (this.deadlineAtMs === Number.POSITIVE_INFINITY) timeouts.hold(this);
    else timeouts.add(this, Math.max(0, this.deadlineAtMs - clock.nowMs()));
  }

  waitMs(): number {
    if (this.deadlineAtMs === Number.POSITIVE_INFINITY) return this.timeoutMs;
    return Math.max(0, Math.min(this.timeoutMs, this.deadlineAtMs - this.call.site.clock.nowMs()));
  }

  listen(signal: AbortSignal): void {
    this.forgetSignal = onAbort(signal, () => {
      this.cancel(cancelledBecause(this.name, signal.reason));
    });
  }

  giveUp(reason: ColloquyError): void {
    const { outcome } = this;
    const tooLate = this.state === committing;
    if (!tooLate) this.questions?.end(reason);
    this.finish();
    this.streaming?.gate.shut();
    this.operation?.fail(reason, outcome);
    this.reject(reason);
    if (tooLate) return;
    this.cancelled = reason;
    cancelWork(this, reason);
  }

  finish(): void {
    this.state = final;
    this.call.site.timeouts.remove(this);
    this.call.mandate?.budget?.end();
    this.forgetSignal?.();
    this.questions?.end(closed(this.name));
    if (this.call.cause !== undefined) endCall(this.call.cause, this);
  }
}

export function notAskedInChunks(name: string): ColloquyError<"UNSUPPORTED"> {
  return new ColloquyError("UNSUPPORTED", `${name} answers in chunks: ask it with stream()`, {
    details: { name },
  });
}
