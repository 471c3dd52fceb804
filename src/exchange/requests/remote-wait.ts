/**
 * A wait for what another process handles: from its begin to the answer, or to what is known when the
 * wait ends without one. What is waited for, and how it is sent, is the subclass's.
 *
 *   waiting ── answer, failure ───────────────────────────────▶ final
 *   waiting ── silence, deadline ──▶ asking what is known ────▶ final
 */
import { type ColloquyError, errorInfo, type TimeoutOutcome } from "../../errors.ts";
import type { Sender } from "../../message/envelope.ts";
import type { Message } from "../../message/message.ts";
import { decodePayload } from "../../message/payload.ts";
import { onAbort } from "../../runtime/abort.ts";
import {
  cancelledBecause,
  cut,
  pastDeadline,
  thrownBy,
  timedOut,
  unreachable,
} from "../failures.ts";
import {
  lateVerdictWaitMs,
  type StreamOptions,
  startWaitMs,
  timeoutMsDefault,
  verdictWaitMs,
} from "../options.ts";
import { type Site, Timed } from "../site.ts";
import { type ControlInput, type ControlName, sendControl } from "./control.ts";
import { InputDesk } from "./input-desk.ts";
import { formatOperationId, type Operation } from "./operation.ts";
import { tellProgress } from "./progress.ts";
import type { Given } from "./questions.ts";
import type { CancelOutcome, StreamReader } from "./stream.ts";
import { cancelOutcome, type Question, type Verdicts } from "./verdicts.ts";

export interface WaitInput {
  readonly site: Site;
  readonly from: Sender;
  readonly name: string;
  readonly options: StreamOptions;
  readonly deadlineAtMs: number;
}

/** What a wait needs of the table it is in. */
export interface WaitTable {
  readonly verdicts: Verdicts;
  /** Messages may have been lost: asks what became of what is waited for. */
  inquire(wait: RemoteWait): void;
  forget(wait: RemoteWait): void;
}

/** Where the answer goes. */
export interface Settle {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly reader?: StreamReader | undefined;
}

export abstract class RemoteWait extends Timed {
  /** What the answer is known by. */
  abstract readonly id: string;
  /** Another may go on where the handler's process ends. */
  protected resumable = false;
  readonly reader: StreamReader | undefined;
  readonly #wait: WaitInput;
  readonly #table: WaitTable;
  readonly #settle: Settle;
  readonly #timeoutMs: number;
  #known: TimeoutOutcome = "unknown";
  #heard = false;
  #phase: "waiting" | "asking" | "final" = "waiting";
  #sentAtMs = 0;
  /** Made with the first question. */
  #desk: InputDesk | undefined;
  /** An answer is looked for here, or by somebody else who waits. */
  #isAsked = false;
  #isElsewhere = false;
  /** The chunk after which one is missing, and how often the end has come without it. */
  #gap: { readonly received: number; ends: number } | undefined;
  #forgetSignal: (() => void) | undefined;

  constructor(wait: WaitInput, table: WaitTable, settle: Settle) {
    super();
    this.#wait = wait;
    this.#table = table;
    this.#settle = settle;
    this.reader = settle.reader;
    this.#timeoutMs = wait.options.timeoutMs ?? timeoutMsDefault;
  }

  /** Where the work is handled, as far as is known now. */
  abstract get operation(): Operation;
  /** Sends what begins the exchange, also again. */
  abstract send(): void;
  /** After messages may have been lost: asks what became of it. `onUnheard` when nobody is there. */
  abstract inquire(onUnheard: () => void): void;

  /** What the handler's process is told when this wait times out. */
  protected abstract get onTimeout(): Question["ask"];
  /** Itself, where it is one who attached. */
  protected abstract get attached(): string | undefined;
  /** The request never came to where it was sent. */
  protected abstract missing(): void;
  /** It was not started where it was sent, and will not be. */
  protected abstract refused(): void;
  /** Called once, when the wait is over. @param answerMs - how long the answer took, if it is one. */
  protected abstract ended(answerMs: number | undefined): void;

  get final(): boolean {
    return this.#phase === "final";
  }

  /** It has timed out, and what is said of the work is awaited: nothing may be begun for it any more. */
  get asking(): boolean {
    return this.#phase === "asking";
  }

  /** A sign of life came from the handler's process. */
  get heard(): boolean {
    return this.#heard;
  }

  get sentAgoMs(): number {
    return this.#wait.site.clock.monotonicMs() - this.#sentAtMs;
  }

  /** Names the work for `attach`. */
  get operationId(): string {
    return formatOperationId(this.operation);
  }

  begin(): void {
    const { site, options } = this.#wait;
    site.timeouts.add(this, this.#waitMs(Math.min(startWaitMs, this.#timeoutMs)));
    // Never later than it is sent: what is asked about must not look younger than it is.
    this.#sentAtMs = site.turn.monotonicMs();
    const { signal } = options;
    if (signal !== undefined) {
      this.#forgetSignal = onAbort(signal, () =>
        this.cancel(cancelledBecause(this.#wait.name, signal.reason)),
      );
    }
    if (!this.final) this.send();
  }

  /** Cancels the work, and the wait if it has not ended. */
  stop(): Promise<CancelOutcome> {
    const asked = new Promise<CancelOutcome>((resolve) =>
      this.#ask("cancel", startWaitMs, (outcome) => resolve(cancelOutcome(outcome))),
    );
    this.fail(cancelledBecause(this.#wait.name, undefined));
    return asked;
  }

  /** Tells the writer of a streamed answer how far it may go. */
  grant(credit: number): void {
    if (this.final) return;
    this.tell("credit", { credit });
    this.#listen();
  }

  /** The caller has given up. Who only attached leaves the work as it is. */
  cancel(reason: ColloquyError): void {
    if (this.final) return;
    this.#ask(this.attached === undefined ? "cancel" : "leave", verdictWaitMs, () => {});
    this.fail(reason);
  }

  fail(error: unknown): void {
    if (this.final) return;
    this.#finish(undefined);
    this.#settle.reject(error);
  }

  /** Nobody can say any more what became of it. */
  lose(): void {
    const { name } = this.#wait;
    const begun = this.attached === undefined || this.reader?.begun === true;
    if (this.reader === undefined || !begun) {
      return this.fail(unreachable(name, this.operation.agent, "unknown", this.operationId));
    }
    this.fail(cut(name, this.reader.received, "unknown", this.operationId));
  }

  override expire(): void {
    if (this.#phase === "asking") return this.#giveUp(false);
    const late = this.#wait.site.clock.nowMs() >= this.#wait.deadlineAtMs;
    this.#phase = "asking";
    const ask = late ? "cancel" : this.onTimeout;
    this.#ask(ask, late ? lateVerdictWaitMs : verdictWaitMs, (outcome) => {
      if (this.final) return;
      // What was known before may be out of date, except that it had been started.
      if (outcome !== undefined) this.#known = outcome;
      else if (this.#known === "not-started") this.#known = "unknown";
      if (outcome !== "done" || late) return this.#giveUp(late);
      // Its answer was on its way, and is kept where it was made.
      this.#wait.site.timeouts.add(this, verdictWaitMs);
      this.#table.inquire(this);
    });
  }

  onControl({ envelope, payload }: Message): void {
    switch (envelope.name) {
      case "accepted":
        this.#onState(decodePayload(payload));
        if (envelope.sequence !== undefined) this.reader?.skipTo(envelope.sequence);
        return this.alive();
      case "progress":
        this.#known = "in-progress";
        this.#tellProgress(decodePayload(payload));
        return this.alive();
      case "resumable":
        this.resumable = true;
        return this.alive();
      case "question":
        return this.#onQuestion(decodePayload(payload));
      case "missing":
        return this.missing();
      case "refused":
        return this.refused();
      case "forgotten":
        return this.lose();
      default:
        return;
    }
  }

  onAnswer({ envelope, payload }: Message): void {
    const { reader } = this;
    if (envelope.kind === "error") return this.fail(thrownBy(decodePayload(payload)));
    const sequence = envelope.sequence ?? 0;
    if (envelope.status === "partial") {
      this.#known = "in-progress";
      const isNext = reader?.push(sequence, decodePayload(payload)) !== false;
      this.alive();
      if (!isNext) this.#fillGap(reader?.received ?? 0, false);
      return;
    }
    if (reader !== undefined && sequence > reader.received) {
      return this.#fillGap(reader.received, true);
    }
    if (this.#phase === "asking" && this.#wait.site.clock.nowMs() >= this.#wait.deadlineAtMs) {
      this.#known = "done";
      return this.#giveUp(true);
    }
    const result = decodePayload(payload);
    this.#finish(this.#wait.site.turn.monotonicMs() - this.#sentAtMs);
    this.#settle.resolve(result);
  }

  protected tell(
    name: ControlName,
    more: Partial<Pick<ControlInput, "data" | "credit" | "sequence" | "onUnheard">>,
  ): void {
    const { site, from } = this.#wait;
    const { instance, messageId, agent } = this.operation;
    sendControl(site, {
      name,
      from,
      to: agent,
      topic: site.space.inbox(instance),
      correlationId: messageId,
      replyTo: site.space.inbox(site.instance),
      ...more,
    });
  }

  #ask(
    ask: Question["ask"],
    waitMs: number,
    tell: (outcome: TimeoutOutcome | undefined) => void,
  ): void {
    const { from } = this.#wait;
    const { operation, attached: reader } = this;
    // Only who sent the request knows when it was sent.
    const sentAtMs = reader === undefined ? this.#sentAtMs : undefined;
    this.#table.verdicts.ask({ ask, from, operation, reader, sentAtMs, waitMs }, tell);
  }

  #giveUp(late: boolean): void {
    if (this.final) return;
    const { name } = this.#wait;
    const known = { name, id: this.operationId, outcome: this.#known };
    if (late) return this.fail(pastDeadline(known));
    const waitedMs = this.#heard ? this.#timeoutMs : Math.min(startWaitMs, this.#timeoutMs);
    this.fail(timedOut({ ...known, left: this.onTimeout !== "cancel" }, waitedMs));
  }

  /** Chunks were lost on their way. Their writer keeps them until they are read: it is asked, once. */
  #fillGap(received: number, isEnd: boolean): void {
    if (this.#gap?.received !== received) {
      this.#gap = { received, ends: isEnd ? 1 : 0 };
      this.#table.inquire(this);
    } else if (isEnd && ++this.#gap.ends > 1) {
      this.fail(cut(this.#wait.name, received, "done", this.operationId));
    }
  }

  #tellProgress(data: unknown): void {
    const { site, name, options } = this.#wait;
    tellProgress(site, name, options.onProgress, data);
  }

  #onState(state: unknown): void {
    this.#known = state === "queued" ? "not-started" : "in-progress";
    this.#isElsewhere = state === "waiting-input";
  }

  /** Silence does not count while somebody looks for an answer. */
  #onQuestion(asked: unknown): void {
    const { number, question } = (asked ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof number !== "number") return;
    this.#known = "in-progress";
    this.#desk ??= this.#newDesk();
    void this.#desk.take(number, question);
  }

  #newDesk(): InputDesk {
    const desk: InputDesk = new InputDesk(
      this.#wait.options.onInput,
      (answered, given) => {
        if (this.#desk === desk) this.#answer(answered, given);
      },
      (waiting) => {
        if (this.#desk !== desk) return;
        this.#isAsked = waiting;
        if (!this.final) this.alive();
      },
    );
    return desk;
  }

  /** The handler that has asked is gone. Another counts its questions from 1 again, and they may be others. */
  protected dropQuestions(): void {
    this.#desk = undefined;
    this.#isAsked = false;
    this.#isElsewhere = false;
  }

  #answer(number: number, given: Given): void {
    if (this.final) return;
    try {
      this.tell("answer", { data: { number, ...given } });
    } catch (error) {
      this.tell("answer", { data: { number, kind: "failed", error: errorInfo(error) } });
    }
  }

  /** It is sent to somebody else, of whom nothing was heard yet. */
  protected beginAnew(): void {
    this.#heard = false;
    this.#known = "unknown";
  }

  /** A sign of life: silence begins anew. */
  protected alive(): void {
    this.#heard = true;
    this.#listen();
  }

  /** From now on silence counts, unless it is not the handler's. */
  #listen(): void {
    if (this.#phase !== "waiting") return;
    const { timeouts } = this.#wait.site;
    const paused = this.#isAsked || this.#isElsewhere || this.reader?.full === true;
    const waitMs = this.#waitMs(paused ? Number.POSITIVE_INFINITY : this.#timeoutMs);
    if (waitMs === Number.POSITIVE_INFINITY) timeouts.remove(this);
    else timeouts.add(this, waitMs);
  }

  #waitMs(idleMs: number): number {
    const { deadlineAtMs, site } = this.#wait;
    if (deadlineAtMs === Number.POSITIVE_INFINITY) return idleMs;
    return Math.max(0, Math.min(idleMs, deadlineAtMs - site.clock.nowMs()));
  }

  #finish(answerMs: number | undefined): void {
    this.#phase = "final";
    this.#wait.site.timeouts.remove(this);
    this.#forgetSignal?.();
    this.#table.forget(this);
    this.ended(answerMs);
  }
}
