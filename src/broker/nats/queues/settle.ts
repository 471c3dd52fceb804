/** Settlements: one attempt at a message ends, together with what its handler wants to have effect. */
import { errorInfo, isColloquyError } from "../../../errors.ts";
import type { Effect, Settlement, SettleOutcome } from "../../broker.ts";
import { clientError, isPassing } from "../errors.ts";
import { forgetOldest } from "../forget-oldest.ts";
import { afterConflict } from "../jetstream.ts";
import { abandon, type Decision, decide } from "./decide.ts";
import type { Effects } from "./effects.ts";
import type { QueueHub } from "./hub.ts";
import { attemptOf, type Item } from "./item.ts";
import { type JointDecision, JointSettlements } from "./joint-settlements.ts";
import { endedErrors } from "./judge.ts";
import { loadItem } from "./load.ts";
import { isFinal, type RecordAt } from "./record.ts";

const settled: SettleOutcome = Object.freeze({ kind: "settled" });
const stale: SettleOutcome = Object.freeze({ kind: "stale" });
/** Settlements whose repetitions are recognised. */
const recentMax = 4_096;
/** How often others may be quicker. */
const triesMax = 10;

export class Settle {
  readonly #hub: QueueHub;
  readonly #effects: Effects;
  readonly #joint: JointSettlements;
  readonly #recent = new Set<string>();

  constructor(hub: QueueHub, effects: Effects) {
    this.#hub = hub;
    this.#effects = effects;
    this.#joint = new JointSettlements(hub, effects, {
      isStillPresent: (item) => this.#isStillPresent(item),
      leave: (item) => this.#leave(item),
    });
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettleOutcome[]> {
    return Promise.all(settlements.map((settlement) => this.#settle(settlement)));
  }

  /** The receiver has left: what it had goes back, or ends. */
  async abandon(item: Item): Promise<void> {
    if (item.stage !== "held") return;
    if (item.over !== undefined) {
      await this.#discard(item);
      return;
    }
    item.stage = "settling";
    item.settling = Promise.resolve(stale);
    const decision = () => abandon(item, this.#hub.clientId);
    const outcome = await this.#tryUntilDone(item, decision, []).catch(() => undefined);
    if (outcome === settled || outcome === stale) return;
    // It comes back when its lease is over.
    this.#leave(item);
  }

  async #settle(settlement: Settlement): Promise<SettleOutcome> {
    const { queue, position, fence } = settlement;
    if (this.#recent.has(`${position}:${fence}`)) return settled;
    const held = this.#hub.held(queue, position);
    try {
      if (held === undefined) return await this.#settleAnothers(settlement);
      if (held.fence !== fence) return stale;
      if (held.settling !== undefined) return await held.settling;
      if (held.over !== undefined) {
        await this.#discard(held);
        return stale;
      }
      return await this.#settleItem(held, settlement);
    } catch (thrown) {
      const error = clientError(thrown, "queues.settle");
      if (error.code === "CLOSED") throw error;
      return { kind: "indeterminate", error: errorInfo(error) };
    }
  }

  /** Nobody here holds it, or another client does. */
  async #settleAnothers(settlement: Settlement): Promise<SettleOutcome> {
    const { queue, position, fence } = settlement;
    const item = await loadItem(this.#hub, queue, position);
    if (item === undefined) return stale;
    const attempt = attemptOf(position, fence);
    const isPresent =
      item.record === undefined
        ? attempt === 0
        : item.record.record.state === "open" && item.record.record.attempt === attempt;
    if (!isPresent) return stale;
    item.attempt = attempt;
    item.stage = "held";
    const outcome = await this.#settleItem(item, settlement);
    if (outcome.kind === "settled") {
      const reason = endedErrors.stale;
      await this.#hub.askOthers(queue, { op: "cancelled", queue, position, reason });
    }
    return outcome;
  }

  async #settleItem(item: Item, settlement: Settlement): Promise<SettleOutcome> {
    item.stage = "settling";
    item.settling = this.#run(item, settlement);
    try {
      const result = await item.settling;
      if (result.kind === "settled") this.#remember(settlement);
      return result;
    } finally {
      item.settling = undefined;
      // Not ended: it is held as before, unless its receiver has left meanwhile.
      if (item.stage === "settling") {
        item.stage = "held";
        if (this.#isForsaken(item)) void this.abandon(item).catch(() => {});
      }
    }
  }

  #isForsaken({ queue, receiver }: Item): boolean {
    const receivers: ReadonlySet<unknown> | undefined = this.#hub.queues.get(queue)?.receivers;
    return receiver !== undefined && receivers?.has(receiver) !== true;
  }

  #run(item: Item, { outcome, effects = [] }: Settlement): Promise<SettleOutcome> {
    const { clientId, link } = this.#hub;
    const decision = () => decide(item, outcome, effects, clientId, link.serverNowMs());
    const storesMore = outcome.kind === "dead" || effects.some(({ kind }) => kind !== "publish");
    if (storesMore) {
      // Neither "dead" nor an outcome that takes effects gives a message back.
      return this.#joint.settle({ item, decision: decision as () => JointDecision, effects });
    }
    return this.#tryUntilDone(item, decision, effects);
  }

  /** @param effects - nothing that is stored. */
  async #tryUntilDone(
    item: Item,
    decision: () => Decision,
    effects: readonly Effect[],
  ): Promise<SettleOutcome> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#tryOnce(item, decision(), effects);
      } catch (thrown) {
        const error = clientError(thrown, "queues.settle");
        if (error.code === "CLOSED") throw error;
        if (!isColloquyError(error, "CONFLICT")) {
          return { kind: isPassing(error) ? "indeterminate" : "refused", error: errorInfo(error) };
        }
        if (!(await this.#isStillPresent(item))) return stale;
        // An answer was given meanwhile.
        if (attempt >= triesMax) return { kind: "refused", error: errorInfo(error) };
        await afterConflict(this.#hub.link, attempt, undefined);
      }
    }
  }

  /** @throws CONFLICT where somebody else has written meanwhile what this depends on. */
  async #tryOnce(
    item: Item,
    decision: Decision,
    effects: readonly Effect[],
  ): Promise<SettleOutcome> {
    if (decision.kind === "refuse") return { kind: "refused", error: decision.error };
    const joint = effects.length === 0 ? undefined : await this.#effects.plan([effects]);
    const plan = joint?.plans[0];
    if (plan?.kind === "refused") return plan;
    await this.#carryOut(item, decision, async () => {
      if (joint !== undefined && plan !== undefined) {
        await this.#effects.committed(joint.id, [plan]);
      }
    });
    this.#leave(item);
    return settled;
  }

  /** Whether the attempt is the present one; the item has its latest record then, and else is given up. */
  async #isStillPresent(item: Item): Promise<boolean> {
    const at = await this.#hub.records.readOne(item.queue, item.position);
    const record = at?.record;
    const isSame =
      at === undefined
        ? item.expected === 0
        : record?.state === "open" && record.attempt === item.attempt;
    if (isSame) item.record = at;
    else await this.#drop(item, at);
    return isSame;
  }

  /** @param committed - for its effects, once it is settled. */
  async #carryOut(
    item: Item,
    decision: Exclude<Decision, { kind: "refuse" }>,
    committed: () => Promise<void>,
  ): Promise<void> {
    const { endings } = this.#hub;
    const { queue, position, message, expected } = item;
    if (decision.kind === "bury") {
      const { record, life } = decision;
      item.record = await endings.bury(queue, { message, life, record, expected });
    } else {
      item.record = await endings.write(queue, position, decision.record, expected);
    }
    if (decision.kind === "return") {
      endings.giveBack(item.reply, decision.delayMs);
      return;
    }
    // It is settled: a message that stays comes back when its lease is over, and is removed then.
    await Promise.allSettled([committed(), endings.remove(position, item.reply)]);
  }

  /** What its holder did has no effect any more. */
  async #discard(item: Item): Promise<void> {
    item.stage = "settling";
    item.settling = Promise.resolve(stale);
    const at = await this.#hub.records.readOne(item.queue, item.position).catch(() => undefined);
    await this.#drop(item, at).catch(() => {});
  }

  async #drop(item: Item, at: RecordAt | undefined): Promise<void> {
    if (at !== undefined && isFinal(at.record)) {
      await this.#hub.endings.remove(item.position, item.reply).catch(() => {});
    }
    this.#leave(item);
  }

  #leave(item: Item): void {
    const { withdrawals } = item;
    this.#hub.queues.get(item.queue)?.leave(item);
    if (withdrawals.length > 0) {
      const state = item.record?.record.state;
      item.answerWithdrawals(state === "free" || state === undefined ? "returned" : "over");
    }
    this.#hub.changed(item.queue, item.position);
  }

  #remember({ position, fence }: Settlement): void {
    this.#recent.add(`${position}:${fence}`);
    forgetOldest(this.#recent, recentMax);
  }
}
