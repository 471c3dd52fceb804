/** Settlements: one attempt at a message ends, together with what its handler wants to have effect. */
import { errorInfo, isColloquyError } from "../../../errors.ts";
import type { Effect, Outcome, Settlement, SettleOutcome } from "../../broker.ts";
import { clientError } from "../errors.ts";
import { afterConflict } from "../jetstream.ts";
import { AppendTurns } from "./append-turns.ts";
import { abandon, type Decision, decide } from "./decide.ts";
import type { Effects, EffectsPlan } from "./effects.ts";
import type { QueueHub } from "./hub.ts";
import { attemptOf, type Item } from "./item.ts";
import { endedErrors } from "./judge.ts";
import { loadItem } from "./load.ts";
import { isFinal, type RecordAt } from "./record.ts";

const settled: SettleOutcome = Object.freeze({ kind: "settled" });
const stale: SettleOutcome = Object.freeze({ kind: "stale" });
/** Settlements whose repetitions are recognised. */
const recentMax = 4_096;
/** How often others may be quicker. Where a settlement appends, each time somebody's has come about. */
const triesMax = 10;
const appendTriesMax = 200;

export class Settle {
  readonly #hub: QueueHub;
  readonly #effects: Effects;
  readonly #recent = new Set<string>();
  readonly #appendTurns = new AppendTurns();

  constructor(hub: QueueHub, effects: Effects) {
    this.#hub = hub;
    this.#effects = effects;
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
    try {
      await this.#carryOut(item, abandon(item, this.#hub.clientId), undefined);
    } catch {
      // It comes back when its lease is over.
    }
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
    const result = await item.settling;
    item.settling = undefined;
    if (result.kind === "refused" || result.kind === "indeterminate") {
      if (item.stage === "settling") item.stage = "held";
      return result;
    }
    if (result.kind === "settled") this.#remember(settlement);
    return result;
  }

  #run(item: Item, settlement: Settlement): Promise<SettleOutcome> {
    const { effects = [] } = settlement;
    return this.#appendTurns.run(effects, () => this.#tryUntilDone(item, settlement));
  }

  async #tryUntilDone(item: Item, { outcome, effects = [] }: Settlement): Promise<SettleOutcome> {
    const appends = effects.some(({ kind }) => kind === "append");
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#tryOnce(item, outcome, effects);
      } catch (thrown) {
        const error = clientError(thrown, "queues.settle");
        if (error.code === "CLOSED") throw error;
        if (!isColloquyError(error, "CONFLICT")) {
          const kind = error.code === "INDETERMINATE" ? "indeterminate" : "refused";
          return { kind, error: errorInfo(error) };
        }
        if (!(await this.#isStillPresent(item))) return stale;
        // An answer was given meanwhile, or an effect met another writer.
        if (attempt >= (appends ? appendTriesMax : triesMax)) {
          return { kind: "refused", error: errorInfo(error) };
        }
        await afterConflict(this.#hub.link, attempt, undefined);
      }
    }
  }

  /** @throws CONFLICT where somebody else has written meanwhile what this depends on. */
  async #tryOnce(item: Item, outcome: Outcome, effects: readonly Effect[]): Promise<SettleOutcome> {
    const { clientId, link } = this.#hub;
    const decision = decide(item, outcome, effects, clientId, link.clock.nowMs());
    if (decision.kind === "refuse") return { kind: "refused", error: decision.error };
    const plan = effects.length === 0 ? undefined : await this.#effects.plan(effects);
    if (plan?.kind === "refused") return plan;
    await this.#carryOut(item, decision, plan);
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

  async #carryOut(item: Item, decision: Decision, plan: EffectsPlan | undefined): Promise<void> {
    const { endings } = this.#hub;
    const { queue, position, message, expected } = item;
    const more = plan?.messages ?? [];
    switch (decision.kind) {
      case "final": {
        const { record } = decision;
        item.record =
          more.length === 0
            ? await endings.write(queue, position, record, expected)
            : await endings.writeBatch(queue, position, record, expected, more);
        break;
      }
      case "bury": {
        const { record, life } = decision;
        item.record = await endings.bury(queue, { message, life, record, expected }, more);
        break;
      }
      case "return":
        item.record = await endings.write(queue, position, decision.record, expected);
        endings.giveBack(item.reply, decision.delayMs);
        return;
      case "refuse":
        return;
    }
    await Promise.all([endings.remove(position, item.reply), plan?.committed()]);
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
      await this.#hub.endings.remove(item.position, item.reply);
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
    if (this.#recent.size <= recentMax) return;
    for (const oldest of this.#recent) {
      this.#recent.delete(oldest);
      return;
    }
  }
}
