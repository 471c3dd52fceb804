/** A command taken from a mailbox, from its offer to its settlement. */
import type { Claim, Delivery, Effect, Lane, Outcome, SettleOutcome } from "../broker/broker.ts";
import type { Retries } from "../delivery/retry.ts";
import {
  ColloquyError,
  type ErrorInfo,
  errorFromInfo,
  errorInfo,
  isColloquyError,
} from "../errors.ts";
import { type Mandate, mandateOf, type Run } from "../exchange/causality/mandate.ts";
import type { StagedEffect } from "../exchange/effects.ts";
import { notAskedInChunks } from "../exchange/local-call.ts";
import { packValue } from "../exchange/packed.ts";
import type { Site } from "../exchange/site.ts";
import { laneOf, noEffects, type Work } from "../exchange/work.ts";
import type { Envelope } from "../message/envelope.ts";
import type { Message } from "../message/message.ts";
import { decodePayload } from "../message/payload.ts";
import { sleep } from "../runtime/sleep.ts";

export type Settle = (
  claim: Claim,
  outcome: Outcome,
  effects?: readonly Effect[],
) => Promise<SettleOutcome>;

export interface CommandWorkOptions {
  readonly site: Site;
  readonly retry: Retries;
  readonly settle: Settle;
}

export class CommandWork implements Work {
  readonly kind = "command";
  readonly claim: Delivery;
  readonly message: Envelope;
  readonly mandate: Mandate | undefined;
  run: Run | undefined;
  cancelled: ColloquyError | undefined;
  onCancelled: ((reason: ColloquyError) => void) | undefined;
  calls: Work["calls"];
  readonly #options: CommandWorkOptions;
  readonly #payload: Message["payload"];
  #state: "waiting" | "started" | "final" = "waiting";
  #undecodable = false;

  constructor(delivery: Delivery, { envelope, payload }: Message, options: CommandWorkOptions) {
    this.claim = delivery;
    this.message = envelope;
    this.mandate = mandateOf(envelope, options.site.limits);
    this.#payload = payload;
    this.#options = options;
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
    if (this.attempt > 1) this.#options.site.counters.repeated++;
    else this.#options.retry.begun();
  }

  /** The lease lives as long as this process: there is nobody to tell yet. */
  progress(): void {}

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
    const unstarted = this.#state === "waiting" && !isColloquyError(error, "NO_HANDLER");
    void this.#end(unstarted ? { kind: "release" } : this.#failure(error), noEffects);
  }

  #failure(error: unknown): Outcome {
    if (this.#undecodable) return { kind: "dead", error: errorInfo(error) };
    return this.#options.retry.outcomeOf(error, this.claim.attempts);
  }

  #end(outcome: Outcome, effects: readonly StagedEffect[]): Promise<void> {
    if (this.#state === "final") return Promise.resolve();
    this.#state = "final";
    this.mandate?.budget?.end();
    const staged = effects.length === 0 ? undefined : effects.map(({ effect }) => effect);
    return this.#settle(outcome, staged).then((settled) => {
      if (settled.kind === "settled") for (const { committed } of effects) committed?.();
      if (settled.kind !== "refused") return undefined;
      return this.#refused(errorFromInfo(settled.error));
    });
  }

  /** An effect could not be made: the attempt has failed, and the next one will see why. */
  async #refused(error: ColloquyError): Promise<void> {
    const again = new ColloquyError(error.code, error.message, {
      details: error.details,
      retryable: true,
    });
    await this.#settle(this.#failure(again));
  }

  /** Again and again while there is no room for it: until it is settled nobody else gets the message. */
  #settle(
    outcome: Outcome,
    effects?: readonly Effect[],
    waitMs = noRoomMs.min,
  ): Promise<SettleOutcome> {
    const { settle, site } = this.#options;
    return settle(this.claim, outcome, effects).then(async (settled) => {
      if (settled.kind !== "refused" || !lacksRoom(settled.error, outcome)) return settled;
      await sleep(site.clock, waitMs);
      return this.#settle(outcome, effects, Math.min(2 * waitMs, noRoomMs.max));
    });
  }
}

/** Between two tries to settle where the disk, or the dead-letter queue, is full. */
const noRoomMs: { readonly min: number; readonly max: number } = { min: 100, max: 10_000 };

/** Nothing is wrong with the settlement itself. */
function lacksRoom({ code }: ErrorInfo, outcome: Outcome): boolean {
  return code === "STORE_FAILED" || (code === "QUEUE_FULL" && outcome.kind === "dead");
}
