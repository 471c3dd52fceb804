/** Settlements: one attempt at a message ends, together with what its handler wants to have effect. */
import { ColloquyError, type ErrorInfo, errorInfo, invalidOption } from "../../errors.ts";
import type { Outcome, Settlement, SettleOutcome } from "../broker.ts";
import { lacksError } from "../checks.ts";
import { isLegal, type LifeState } from "../life-cycle.ts";
import { bury, failed, finish, release, retry } from "./attempts.ts";
import type { Core } from "./core.ts";
import { applyEffects, obstacleToEffects } from "./effects.ts";
import type { Group, Operation } from "./group.ts";
import { lifeOf } from "./life.ts";
import { full } from "./limits.ts";
import { endLingering } from "./lingering.ts";
import type { Queue } from "./queue.ts";
import type { Session } from "./session.ts";
import type { Slot } from "./slot.ts";

const settled: SettleOutcome = Object.freeze({ kind: "settled" });
const stale: SettleOutcome = Object.freeze({ kind: "stale" });
const done = Object.freeze({ state: "done" });

export class Settle implements Operation {
  readonly messages: number;
  readonly bytes: number;
  readonly #session: Session;
  readonly #settlements: readonly Settlement[];
  readonly #tell: (outcomes: readonly SettleOutcome[]) => void;
  #outcomes: readonly SettleOutcome[] = [];

  constructor(
    session: Session,
    settlements: readonly Settlement[],
    tell: (outcomes: readonly SettleOutcome[]) => void,
  ) {
    this.#session = session;
    this.#settlements = settlements;
    this.#tell = tell;
    this.messages = settlements.length;
    let bytes = 0;
    for (const settlement of settlements) bytes += settlementBytes(settlement);
    this.bytes = bytes;
  }

  decide(group: Group): void {
    const outcomes: SettleOutcome[] = [];
    for (const settlement of this.#settlements) outcomes.push(this.#settle(group, settlement));
    this.#outcomes = outcomes;
  }

  committed(): void {
    this.#tell(this.#outcomes);
  }

  failed(error: ColloquyError): void {
    const kind = error.code === "INDETERMINATE" ? "indeterminate" : "refused";
    const outcome: SettleOutcome = { kind, error: errorInfo(error) };
    const { recentFences } = this.#session.core;
    // What an earlier group has settled is settled, whatever became of the group of its repetition.
    this.#tell(this.#settlements.map(({ fence }) => (recentFences.has(fence) ? settled : outcome)));
  }

  #settle(group: Group, settlement: Settlement): SettleOutcome {
    const { core } = this.#session;
    const { fence } = settlement;
    if (core.recentFences.has(fence)) return settled;
    const queue = core.directory.declared(settlement.queue);
    const slot =
      queue === undefined ? undefined : attemptOf(core, queue, settlement.position, fence);
    if (queue === undefined) return stale;
    if (slot === undefined) {
      endLingering(core, queue, fence);
      return stale;
    }
    const obstacle = obstacleTo(core, group, queue, slot, settlement);
    if (obstacle !== undefined) {
      if (slot.state === "loose") queue.active?.lane(slot.lane).forget(slot);
      return { kind: "refused", error: obstacle };
    }
    slot.fence = fence;
    core.recentFences.add(group, fence);
    apply(core, group, queue, slot, settlement.outcome);
    if (settlement.effects !== undefined) applyEffects(this.#session, group, settlement.effects);
    return settled;
  }
}

/**
 * The message whose present attempt is `fence`: held under it, or, where the fence is from before this
 * opening of the storage, not offered to anybody since.
 */
export function attemptOf(
  core: Core,
  queue: Queue,
  position: number,
  fence: number,
): Slot | undefined {
  const held = queue.active?.held.get(position);
  if (held !== undefined) return held.state === "held" && held.fence === fence ? held : undefined;
  if (fence > core.serials.base) return undefined;
  const slot = unofferedAt(core, queue, position);
  if (slot === undefined || fence > slot.history.fence) return slot;
  if (slot.state === "loose") queue.active?.lane(slot.lane).forget(slot);
  return undefined;
}

/** The live message at `position` that is in nobody's hands. When it is loose, the caller forgets it. */
export function unofferedAt(core: Core, queue: Queue, position: number): Slot | undefined {
  const active = queue.activate(core.clock.nowMs());
  core.changed(queue);
  const slot = active.find(position);
  if (slot === undefined) return undefined;
  if (!slot.kept) {
    active.lane(slot.lane).keep(slot);
    slot.state = "loose";
  }
  const { state } = slot;
  return state === "waiting" || state === "withheld" || state === "loose" ? slot : undefined;
}

function apply(core: Core, group: Group, queue: Queue, slot: Slot, outcome: Outcome): void {
  switch (outcome.kind) {
    case "done": {
      const { result } = outcome;
      const state = result === undefined ? done : ({ state: "done", result } as const);
      finish(core, group, queue, slot, state);
      break;
    }
    case "failed":
      finish(core, group, queue, slot, { state: "failed", error: outcome.error });
      break;
    case "expired":
    case "rescinded":
    case "cancelled":
      finish(core, group, queue, slot, { state: outcome.kind, error: outcome.error });
      break;
    case "dead": {
      const history = failed(slot, group.nowMs, outcome.error, {});
      bury(core, group, queue, slot, history, outcome.error);
      break;
    }
    case "retry":
      if (slot.taken) finish(core, group, queue, slot, { state: "failed", error: outcome.error });
      else retry(core, group, queue, slot, outcome.delayMs, outcome.error);
      break;
    case "release":
      release(core, group, queue, slot);
      break;
  }
}

function obstacleTo(
  core: Core,
  group: Group,
  queue: Queue,
  slot: Slot,
  settlement: Settlement,
): ErrorInfo | undefined {
  const { outcome, effects = [] } = settlement;
  const { questions } = core;
  const asked = !questions.none && questions.of(queue.number, slot.position) !== undefined;
  const from = asked ? "waiting-input" : lifeOf(slot);
  const to = stateAfter[outcome.kind];
  if (!isLegal(from, to)) {
    const message = `a message that is ${from} cannot become ${to}`;
    const details = { from, to };
    return errorInfo(new ColloquyError("INTERNAL_ERROR", message, { details }));
  }
  if (lacksError(outcome)) {
    return errorInfo(invalidOption("error", undefined, `the error of a message that is ${to}`));
  }
  if (outcome.kind === "dead" && core.deadLetters.full) {
    return errorInfo(full("deadLettersMax", core.limits.deadLettersMax));
  }
  if (outcome.kind === "retry" && !(outcome.delayMs >= 0)) {
    return errorInfo(new ColloquyError("INVALID_OPTION", `delayMs: ${outcome.delayMs}`));
  }
  const ran = outcome.kind === "done" || outcome.kind === "failed" || outcome.kind === "dead";
  if (effects.length > 0 && !ran) {
    const message = `effects: none go with the outcome ${outcome.kind}`;
    return errorInfo(new ColloquyError("INVALID_OPTION", message));
  }
  return effects.length === 0 ? undefined : obstacleToEffects(core, group, effects);
}

const stateAfter: Readonly<Record<Outcome["kind"], LifeState>> = {
  done: "done",
  failed: "failed",
  dead: "dead",
  expired: "expired",
  rescinded: "rescinded",
  cancelled: "cancelled",
  retry: "queued",
  release: "queued",
};

/** Bytes of its result and of what its effects store. */
export function settlementBytes({ outcome, effects = [] }: Settlement): number {
  let bytes = outcome.kind === "done" ? (outcome.result?.length ?? 0) : 0;
  for (const effect of effects) {
    switch (effect.kind) {
      case "enqueue":
        bytes += effect.message.frame.length;
        break;
      case "publish":
        bytes += effect.frame.length;
        break;
      case "put":
        bytes += effect.value?.length ?? 0;
        break;
      case "append":
        for (const entry of effect.entries) bytes += entry.length;
        break;
    }
  }
  return bytes;
}
