/** A command taken from a mailbox, from its offer to its settlement. */
import type {
  Delivery,
  Lane,
  Notice,
  Outcome,
  Report,
  ReportOutcome,
  Settlement,
  SettleOutcome,
} from "../broker/broker.ts";
import type { Retries } from "../delivery/retry.ts";
import {
  ColloquyError,
  errorFromInfo,
  errorInfo,
  isColloquyError,
  type TimeoutOutcome,
} from "../errors.ts";
import { type Mandate, mandateOf, type Run } from "../exchange/causality/mandate.ts";
import type { StagedEffect } from "../exchange/effects.ts";
import { closed } from "../exchange/failures.ts";
import { packValue } from "../exchange/packed.ts";
import { notAskedInChunks } from "../exchange/requests/local-call.ts";
import type { AskOptions } from "../exchange/requests/questions.ts";
import { type Site, Timed } from "../exchange/site.ts";
import { cancelWork, laneOf, noEffects, type Work } from "../exchange/work.ts";
import type { Envelope } from "../message/envelope.ts";
import type { Message } from "../message/message.ts";
import { decodePayload } from "../message/payload.ts";
import { DurableQuestions } from "./durable-questions.ts";

/** What a command needs of the agent that holds it. */
export interface CommandHome {
  readonly site: Site;
  /** Why nobody may wait here any more. */
  readonly closing: ColloquyError | undefined;
  settle(settlement: Settlement): Promise<SettleOutcome>;
  report(report: Report): Promise<ReportOutcome>;
  /** It is no longer in hand. */
  release(work: CommandWork): void;
}

export class CommandWork implements Work {
  readonly kind = "command";
  readonly claim: Delivery;
  readonly message: Envelope;
  readonly mandate: Mandate | undefined;
  run: Run | undefined;
  placeless = false;
  cancelled: ColloquyError | undefined;
  onCancelled: ((reason: ColloquyError) => void) | undefined;
  calls: Work["calls"];
  readonly #home: CommandHome;
  readonly #retry: Retries;
  readonly #payload: Message["payload"];
  #state: "waiting" | "started" | "final" = "waiting";
  #undecodable = false;
  /** Somebody follows the message. */
  #followed = false;
  /** The last that the handler reported. */
  #progress: unknown;
  #questions: DurableQuestions | undefined;
  #deadline: Deadline | undefined;
  /** Its process closes, and the message goes to somebody else: always, or unless its handler returns. */
  #left: "always" | "unfinished" | undefined;

  constructor(
    delivery: Delivery,
    { envelope, payload }: Message,
    home: CommandHome,
    retry: Retries,
  ) {
    this.claim = delivery;
    this.message = envelope;
    this.mandate = mandateOf(envelope, home.site.limits);
    this.#payload = payload;
    this.#home = home;
    this.#retry = retry;
  }

  get name(): string {
    return this.message.name;
  }

  get lane(): Lane {
    return laneOf[this.message.priority];
  }

  get deadlineAtMs(): number {
    return this.message.deadlineMs ?? Number.POSITIVE_INFINITY;
  }

  get startByMs(): number {
    const { ttlMs, createdMs } = this.message;
    return Math.min(this.deadlineAtMs, createdMs + (ttlMs ?? Number.POSITIVE_INFINITY));
  }

  get outcome(): TimeoutOutcome {
    if (this.#state === "waiting") return "not-started";
    return this.#state === "started" ? "in-progress" : "done";
  }

  get attempt(): number {
    return this.claim.attempts.failures + this.claim.attempts.crashes + 1;
  }

  get input(): unknown {
    try {
      return decodePayload(this.#payload);
    } catch (error) {
      this.#undecodable = true;
      throw error;
    }
  }

  started(): void {
    this.#state = "started";
    const { site } = this.#home;
    if (this.attempt > 1) site.counters.repeated++;
    else this.#retry.begun();
    if (this.#followed) this.#report({ kind: "started" });
    const { deadlineAtMs } = this;
    if (deadlineAtMs === Number.POSITIVE_INFINITY) return;
    this.#deadline = new Deadline(() => this.#tooLate());
    site.timeouts.add(this.#deadline, Math.max(0, deadlineAtMs - site.clock.nowMs()));
  }

  /** The lease lives as long as this process: only those who follow the message are told. */
  progress(data: unknown): void {
    this.#progress = data;
    if (this.#followed && data !== undefined) {
      this.#report({ kind: "progress", data: packValue(data) });
    }
  }

  ask(question: unknown, options: AskOptions): Promise<unknown> {
    const { closing } = this.#home;
    if (closing !== undefined) {
      this.#left = "always";
      return Promise.reject(closing);
    }
    return this.#asking.ask(question, options);
  }

  /** In hand until it ends here. */
  get stays(): boolean {
    return this.#left === undefined;
  }

  noticed(notice: Notice): void {
    switch (notice.kind) {
      case "cancel":
        this.#cancel(errorFromInfo(notice.reason));
        break;
      case "withdraw":
        if (this.#state !== "waiting") this.#report({ kind: "started" });
        else this.#cancel(new ColloquyError("RESCINDED", "its sender withdrew it"), "rescinded");
        break;
      case "follow":
        this.#followed = true;
        this.#tellState();
        break;
      case "input":
        this.#asking.answered(notice.answer);
    }
  }

  /** Whoever waits for input here waits elsewhere. */
  leave(error: ColloquyError): void {
    if (this.#questions?.open !== true) return;
    this.#left = "always";
    this.#questions.end(error);
  }

  /** The process closes, and the handler still runs. */
  interrupt(error: ColloquyError): void {
    if (this.#state !== "started") return;
    this.#left ??= "unfinished";
    this.#stop(error);
  }

  async answerWith(): Promise<void> {
    await this.#end({ kind: "failed", error: errorInfo(notAskedInChunks(this.name)) }, noEffects);
  }

  succeed(result: unknown, effects: readonly StagedEffect[]): Promise<void> {
    let outcome: Outcome;
    try {
      outcome =
        result === undefined ? { kind: "done" } : { kind: "done", result: packValue(result) };
    } catch (error) {
      return this.#end({ kind: "failed", error: errorInfo(error) }, noEffects);
    }
    return this.#end(outcome, effects);
  }

  fail(error: unknown): void {
    void this.#end(
      this.#state === "waiting" ? this.#refusal(error) : this.#failure(error),
      noEffects,
    );
  }

  /** No handler has started. */
  #refusal(error: unknown): Outcome {
    if (isColloquyError(error, "NO_HANDLER")) return this.#failure(error);
    if (isColloquyError(error, "TIMEOUT")) return { kind: "expired", error: errorInfo(late) };
    return { kind: "release" };
  }

  #failure(error: unknown): Outcome {
    if (this.#undecodable) return { kind: "dead", error: errorInfo(error) };
    return this.#retry.outcomeOf(error, this.claim.attempts);
  }

  get #asking(): DurableQuestions {
    const home = this.#home;
    this.#questions ??= new DurableQuestions({
      clock: home.site.clock,
      ask: (number, question) =>
        home.report({ ...this.#claim, kind: "waiting-input", number, question }),
      goesOn: () => {
        if (this.#left === undefined && this.#state === "started")
          this.#report({ kind: "started" });
      },
    });
    return this.#questions;
  }

  get #claim() {
    const { queue, position, fence } = this.claim;
    return { queue, position, fence };
  }

  /** What is told to those who follow may be lost. */
  #report(what: { kind: "unstarted" | "started" } | { kind: "progress"; data: Uint8Array }): void {
    void this.#home.report({ ...this.#claim, ...what });
  }

  #tellState(): void {
    if (this.#state === "waiting") this.#report({ kind: "unstarted" });
    else if (this.#state === "final" || this.#questions?.open === true) return;
    else if (this.#progress === undefined) this.#report({ kind: "started" });
    else this.#report({ kind: "progress", data: packValue(this.#progress) });
  }

  /** Nothing that comes of it counts any more; a handler that runs is told, and settled once it has ended. */
  #cancel(reason: ColloquyError, kind: "cancelled" | "rescinded" = "cancelled"): void {
    if (this.#state === "final" || this.cancelled !== undefined) return;
    this.cancelled = reason;
    if (this.#state === "started") return this.#stop(reason);
    void this.#end({ kind, error: errorInfo(reason) }, noEffects);
  }

  #stop(reason: ColloquyError): void {
    this.#questions?.end(reason);
    cancelWork(this, reason);
  }

  /** The sender's time is over, whether or not the broker can be reached to be told so. */
  #tooLate(): void {
    const { queue, position } = this.claim;
    const reason = new ColloquyError("CANCELLED", "its deadline passed while it ran", {
      details: { deadline: true },
    });
    this.#cancel(reason);
    const { broker } = this.#home.site;
    broker.queues.cancel(queue, position, { reason: errorInfo(reason) }).catch(() => {
      // It is settled as cancelled when its handler has ended.
    });
  }

  #end(outcome: Outcome, effects: readonly StagedEffect[]): Promise<void> {
    if (this.#state === "final") return Promise.resolve();
    const { cancelled } = this;
    const gaveUp = cancelled !== undefined && this.#state === "started";
    this.#state = "final";
    this.#questions?.end(closed(this.name));
    if (this.#deadline !== undefined) this.#home.site.timeouts.remove(this.#deadline);
    this.mandate?.budget?.end();
    // Left unsettled, it goes back when its queue is left, which costs what waited for input nothing.
    if (this.#left === "always" || (this.#left !== undefined && outcome.kind !== "done")) {
      this.#home.release(this);
      return Promise.resolve();
    }
    if (gaveUp) return this.#finish({ kind: "cancelled", error: errorInfo(cancelled) }, noEffects);
    return this.#finish(outcome, effects);
  }

  #finish(outcome: Outcome, effects: readonly StagedEffect[]): Promise<void> {
    return this.#settle(outcome, effects).then((settled) => {
      if (settled.kind === "settled") for (const { committed } of effects) committed?.();
      if (settled.kind === "refused") return this.#refused(errorFromInfo(settled.error));
      this.#home.release(this);
      return undefined;
    });
  }

  #settle(outcome: Outcome, effects: readonly StagedEffect[]): Promise<SettleOutcome> {
    const { queue, position, fence } = this.claim;
    const settlement = { queue, position, fence, outcome };
    if (effects.length === 0) return this.#home.settle(settlement);
    return this.#home.settle({ ...settlement, effects: effects.map((it) => it.effect) });
  }

  /** An effect could not be made: the attempt has failed, and the next one will see why. */
  async #refused(error: ColloquyError): Promise<void> {
    const again = new ColloquyError(error.code, error.message, {
      details: error.details,
      retryable: true,
    });
    await this.#settle(this.#failure(again), noEffects);
    this.#home.release(this);
  }
}

const late = new ColloquyError("EXPIRED", "expired before a handler was free");

/** When a command that has started must have ended. */
class Deadline extends Timed {
  readonly expire: () => void;

  constructor(expire: () => void) {
    super();
    this.expire = expire;
  }
}
