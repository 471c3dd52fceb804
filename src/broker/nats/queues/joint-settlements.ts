/**
 * Settlements that store more than a record, several at a time. On a stream in a file the server takes tens
 * of milliseconds for a batch, however long it is, and does one after the other. So each process has one on
 * its way, and what comes meanwhile goes with the next, in order.
 *
 * Where a batch is refused, those of it that are left try again: after a conflict once more together, and
 * then, as after any other refusal, half as many at a time. So whoever cannot be stored is soon alone, and
 * nobody is refused for what another has done.
 */
import { type ColloquyError, errorInfo, isColloquyError } from "../../../errors.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { Effect, SettleOutcome } from "../../broker.ts";
import { clientError, isPassing } from "../errors.ts";
import { afterConflict, batchMessagesMax } from "../jetstream.ts";
import type { Decision } from "./decide.ts";
import type { Effects, EffectsPlan, Planned } from "./effects.ts";
import type { Ending } from "./endings.ts";
import type { QueueHub } from "./hub.ts";
import type { Item } from "./item.ts";

/** Of the messages of one batch. */
const bytesMax = 4 * 2 ** 20;
/** How often others may be quicker than one alone. Where it appends, each time somebody's has come about. */
const triesMax = 10;
const appendTriesMax = 200;

/** A message goes back without effects, and never as a dead letter: not here. */
export type JointDecision = Exclude<Decision, { readonly kind: "return" }>;

export interface JointSettlement {
  readonly item: Item;
  /** By what is known of the item then. */
  readonly decision: () => JointDecision;
  readonly effects: readonly Effect[];
}

/** What becomes of items besides. */
export interface ItemFates {
  /** Whether the attempt is the present one; the item has its latest record then, and else is given up. */
  isStillPresent(item: Item): Promise<boolean>;
  /** It is settled. */
  leave(item: Item): void;
}

interface Member extends JointSettlement {
  readonly outcome: Deferred<SettleOutcome>;
  /** How many may be in a batch that it is in. */
  togetherMax: number;
  /** How often somebody was quicker than its batch. */
  conflicts: number;
  /** Those of them that were its own: nobody else was in the batch. */
  tries: number;
}

/** What a member comes to. */
interface Part {
  readonly member: Member;
  readonly plan: EffectsPlan;
  readonly ending: Ending;
  readonly isDead: boolean;
}

type FinalDecision = Exclude<JointDecision, { readonly kind: "refuse" }>;

const settled: SettleOutcome = Object.freeze({ kind: "settled" });
const stale: SettleOutcome = Object.freeze({ kind: "stale" });

export class JointSettlements {
  readonly #hub: QueueHub;
  readonly #effects: Effects;
  readonly #fates: ItemFates;
  readonly #waiting: Member[] = [];
  #isRunning = false;

  constructor(hub: QueueHub, effects: Effects, fates: ItemFates) {
    this.#hub = hub;
    this.#effects = effects;
    this.#fates = fates;
  }

  /** @throws CLOSED; what the server says when it is asked. */
  settle(settlement: JointSettlement): Promise<SettleOutcome> {
    const outcome = new Deferred<SettleOutcome>();
    const togetherMax = batchMessagesMax;
    this.#waiting.push({ ...settlement, outcome, togetherMax, conflicts: 0, tries: 0 });
    this.#start();
    return outcome.promise;
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Those of one call come together.
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#storeSome();
    } finally {
      this.#isRunning = false;
    }
  }

  async #storeSome(): Promise<void> {
    const { taken, twins } = this.#take();
    const decided = decisionsOf(taken);
    let members = [...decided.keys()];
    try {
      const { id, plans } = await this.#effects.plan(members.map(({ effects }) => effects));
      const parts = this.#fitting(decided, plans);
      members = parts.map(({ member }) => member);
      if (parts.length > 0) {
        const records = await this.#hub.endings.writeTogether(parts.map(({ ending }) => ending));
        for (const [index, { item }] of members.entries()) item.record = records[index];
        this.#complete(parts, id);
      }
    } catch (thrown) {
      await this.#failed(members, clientError(thrown, "queues.settle"));
    }
    this.#waiting.unshift(...(await this.#present(twins)));
  }

  /**
   * Those that come next. A record is written once in a batch: who settles what another of them settles
   * waits until that is stored, or is not.
   */
  #take(): { readonly taken: readonly Member[]; readonly twins: readonly Member[] } {
    const taken = new Map<string, Member>();
    const twins: Member[] = [];
    let max = batchMessagesMax;
    let count = 0;
    for (const member of this.#waiting) {
      max = Math.min(max, member.togetherMax);
      if (taken.size >= max) break;
      count++;
      const { queue, position } = member.item;
      const name = `${queue}:${position}`;
      if (taken.has(name)) twins.push(member);
      else taken.set(name, member);
    }
    this.#waiting.splice(0, count);
    return { taken: [...taken.values()], twins };
  }

  /** As many as go into one batch; those behind wait on. */
  #fitting(
    decided: ReadonlyMap<Member, FinalDecision>,
    plans: readonly Planned[],
  ): readonly Part[] {
    const parts: Part[] = [];
    const rest: Member[] = [];
    let messages = 0;
    let bytes = 0;
    for (const [index, [member, decision]] of [...decided].entries()) {
      const plan = rest.length === 0 ? plans[index] : undefined;
      if (plan?.kind === "refused") {
        member.outcome.resolve(plan);
        continue;
      }
      const part = plan && this.#part(member, decision, plan);
      messages += 1 + (part?.ending.more.length ?? 0);
      bytes += part === undefined ? 0 : bytesOf(part);
      const fits = parts.length === 0 || (messages <= batchMessagesMax && bytes <= bytesMax);
      if (part !== undefined && fits) parts.push(part);
      else rest.push(member);
    }
    this.#waiting.unshift(...rest);
    return parts;
  }

  #part(member: Member, decision: FinalDecision, plan: EffectsPlan): Part {
    const { queue, position, message, expected } = member.item;
    const { record } = decision;
    const isDead = decision.kind === "bury";
    const letters = isDead
      ? [this.#hub.endings.letter(queue, { message, life: decision.life, record })]
      : [];
    const ending = { queue, position, record, expected, more: [...letters, ...plan.messages] };
    return { member, plan, ending, isDead };
  }

  /**
   * They are settled, and each is told once its own is done. What fails now is made up for: a message that
   * stays comes back when its lease is over, and is removed then; what is left in an outbox is brought by
   * whoever is there.
   */
  #complete(parts: readonly Part[], id: string): void {
    if (parts.some(({ isDead }) => isDead)) this.#hub.endings.announceDead();
    const plans = parts.map(({ plan }) => plan);
    const { sending = [], others = [] } = Object.groupBy(plans, kindOf);
    const done = {
      sending: this.#effects.committed(id, sending),
      others: this.#effects.committed(id, others),
    };
    for (const { member, plan } of parts) {
      const mayLeave = kindOf(plan) === "others" && plan.volatile.length === 0;
      member.outcome.resolve(this.#end(member.item, mayLeave ? undefined : done[kindOf(plan)]));
    }
    // Also where nobody waits for it.
    void Promise.allSettled([done.sending, done.others]);
  }

  async #end(item: Item, done: Promise<void> | undefined): Promise<SettleOutcome> {
    await Promise.allSettled([this.#hub.endings.remove(item.position, item.reply), done]);
    this.#fates.leave(item);
    return settled;
  }

  /** Nothing of them was stored, or nobody knows. */
  async #failed(members: readonly Member[], error: ColloquyError): Promise<void> {
    if (isColloquyError(error, "CONFLICT")) {
      await this.#lost(members, error);
    } else if (error.code === "CLOSED" || isPassing(error)) {
      for (const { outcome } of members) outcome.reject(error);
    } else if (members.length === 1) {
      members[0]?.outcome.resolve(refused(errorInfo(error)));
    } else {
      halve(members);
      this.#waiting.unshift(...members);
    }
  }

  /** Somebody was quicker: with one of the messages, an answer to its question, or an effect. */
  async #lost(members: readonly Member[], error: ColloquyError<"CONFLICT">): Promise<void> {
    for (const member of members) member.conflicts++;
    const present = await this.#present(members);
    const conflicts = Math.max(0, ...present.map((member) => member.conflicts));
    const [first] = present;
    if (first === undefined) return;
    if (members.length > 1) {
      if (conflicts > 1) halve(members);
    } else if (++first.tries >= triesMaxOf(first)) {
      first.outcome.resolve(refused(errorInfo(error)));
      return;
    }
    if (conflicts === 1) this.#waiting.unshift(...present);
    else void this.#later(present, conflicts);
  }

  /** Others need not wait for that. */
  async #later(members: readonly Member[], conflicts: number): Promise<void> {
    await afterConflict(this.#hub.link, conflicts, undefined);
    this.#waiting.unshift(...members);
    this.#start();
  }

  /** Those whose attempt is the present one still; the others are told. */
  async #present(members: readonly Member[]): Promise<readonly Member[]> {
    const present = members.map(async (member) => {
      try {
        if (await this.#fates.isStillPresent(member.item)) return [member];
        member.outcome.resolve(stale);
      } catch (thrown) {
        member.outcome.reject(thrown);
      }
      return [];
    });
    return (await Promise.all(present)).flat();
  }
}

/** Of those that can end so; the others are told. */
function decisionsOf(members: readonly Member[]): ReadonlyMap<Member, FinalDecision> {
  const decided = new Map<Member, FinalDecision>();
  for (const member of members) {
    try {
      const decision = member.decision();
      if (decision.kind === "refuse") member.outcome.resolve(refused(decision.error));
      else decided.set(member, decision);
    } catch (thrown) {
      member.outcome.reject(thrown);
    }
  }
  return decided;
}

function halve(members: readonly Member[]): void {
  for (const member of members) member.togetherMax = Math.ceil(members.length / 2);
}

function triesMaxOf({ effects }: Member): number {
  return effects.some(({ kind }) => kind === "append") ? appendTriesMax : triesMax;
}

/** What some of them send has to be brought. */
function kindOf({ parcels }: EffectsPlan): "sending" | "others" {
  return parcels.length > 0 ? "sending" : "others";
}

function refused(error: Extract<SettleOutcome, { readonly kind: "refused" }>["error"]) {
  return { kind: "refused", error } as const;
}

function bytesOf({ ending }: Part): number {
  const { record, more } = ending;
  const result = "result" in record ? (record.result?.length ?? 0) : 0;
  return more.reduce((sum, { payload }) => sum + payload.length, result);
}
