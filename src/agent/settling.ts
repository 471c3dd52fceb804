/**
 * Settlements of one agent: what ends in one go is settled in one batch. What nobody has an answer for is
 * settled again until there is one, which is safe: a settlement is fenced. So is what there is no room
 * for; until it is settled nobody else gets the message.
 */
import type { Settlement, SettleOutcome } from "../broker/broker.ts";
import { unclearSettlement } from "../broker/unclear.ts";
import { errorInfo } from "../errors.ts";
import { isRefusal } from "../exchange/failures.ts";
import type { Site } from "../exchange/site.ts";
import { sleep } from "../runtime/sleep.ts";

interface Settling {
  readonly settlement: Settlement;
  readonly tell: (outcome: SettleOutcome) => void;
}

const repeatMsMin = 50;
const repeatMsMax = 10_000;

export class Settlements {
  readonly #site: Site;
  /** Made with the first. */
  #flushing: Set<Promise<void>> | undefined;
  #waiting: Settling[] = [];

  constructor(site: Site) {
    this.#site = site;
  }

  settle(settlement: Settlement): Promise<SettleOutcome> {
    return new Promise((resolve) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
      this.#waiting.push({ settlement, tell: resolve });
    });
  }

  /** Resolves once everything has its answer. */
  async done(): Promise<void> {
    while (this.#waiting.length > 0 || (this.#flushing?.size ?? 0) > 0) {
      await Promise.all([...(this.#flushing ?? [])]);
    }
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    const flushing: Promise<void> = this.#send(batch, 0).finally(() => {
      this.#flushing?.delete(flushing);
    });
    this.#flushing ??= new Set();
    this.#flushing.add(flushing);
  }

  /** @param repeats - so many times the batch has been sent before. */
  async #send(batch: readonly Settling[], repeats: number): Promise<void> {
    const { broker, onError } = this.#site;
    try {
      const outcomes = await broker.queues.settle(batch.map(({ settlement }) => settlement));
      await this.#told(batch, outcomes, repeats);
    } catch (error) {
      if (isRefusal(error)) return this.#sendApart(batch, error, repeats);
      const outcome = { kind: "indeterminate", error: errorInfo(error) } as const;
      if (repeats === 0) onError(error, "settlements");
      await this.#told(
        batch,
        batch.map(() => outcome),
        repeats,
      );
    }
  }

  async #told(
    batch: readonly Settling[],
    outcomes: readonly SettleOutcome[],
    repeats: number,
  ): Promise<void> {
    const unclear: Settling[] = [];
    for (const [index, outcome] of outcomes.entries()) {
      const settling = batch[index] as Settling;
      if (isUnclear(outcome, settling) && !isOver(outcome)) unclear.push(settling);
      else settling.tell(this.#read(outcome, repeats));
    }
    if (unclear.length === 0) return;
    const waitMs = Math.min(repeatMsMax, repeatMsMin * 2 ** Math.min(repeats, 10));
    await sleep(this.#site.clock, waitMs);
    await this.#send(unclear, repeats + 1);
  }

  /** What was settled before without an answer may be what makes the repetition stale. */
  #read(outcome: SettleOutcome, repeats: number): SettleOutcome {
    if (outcome.kind !== "stale") return outcome;
    if (repeats > 0) return unclearSettlement;
    this.#site.counters.stale++;
    return outcome;
  }

  /** What is wrong with one settlement is no reason to leave its neighbours unsettled. */
  async #sendApart(batch: readonly Settling[], error: unknown, repeats: number): Promise<void> {
    if (batch.length === 1) batch[0]?.tell({ kind: "refused", error: errorInfo(error) });
    else await Promise.all(batch.map((each) => this.#send([each], repeats)));
  }
}

/** There is nobody left to settle with. */
function isOver(outcome: SettleOutcome): boolean {
  return "error" in outcome && outcome.error.code === "CLOSED";
}

/** Nothing is wrong with the settlement itself. */
function isUnclear(outcome: SettleOutcome, { settlement }: Settling): boolean {
  if (outcome.kind === "indeterminate") return true;
  if (outcome.kind !== "refused") return false;
  const { code } = outcome.error;
  const noLetters = code === "QUEUE_FULL" && settlement.outcome.kind === "dead";
  return code === "STORE_FAILED" || noLetters;
}
