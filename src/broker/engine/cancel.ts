/** A sender wants its message back: at once where nobody holds it, and past its holder where somebody does. */
import type { ColloquyError, ErrorInfo } from "../../errors.ts";
import type { CancelOptions, CancelOutcome, MessageState } from "../broker.ts";
import { cancelledState, finish, rescindedState } from "./attempts.ts";
import type { Core } from "./core.ts";
import { claimOf } from "./follow.ts";
import type { Group, Operation } from "./group.ts";
import { lifeOf, storyOf } from "./life.ts";
import { laneNumbers, type Queue } from "./queue.ts";
import { returnedPage, scheduledKey } from "./returned.ts";
import { unofferedAt } from "./settle.ts";
import { Slot } from "./slot.ts";

export interface CancelInput extends Omit<CancelOptions, "signal"> {
  readonly queue: string;
  readonly position: number;
}

export class Cancel implements Operation {
  readonly messages = 1;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #input: CancelInput;
  readonly #tell: (outcome: CancelOutcome) => void;
  readonly #refuse: (error: ColloquyError) => void;
  /** "asked": its holder has the word. "again": it moves in this very group. */
  #outcome: CancelOutcome | "asked" | "again" = "again";

  constructor(
    core: Core,
    input: CancelInput,
    tell: (outcome: CancelOutcome) => void,
    refuse: (error: ColloquyError) => void,
  ) {
    this.#core = core;
    this.#input = input;
    this.#tell = tell;
    this.#refuse = refuse;
  }

  decide(group: Group): void {
    const { queue: name, position } = this.#input;
    const queue = this.#core.directory.declared(name);
    if (queue === undefined || !(position >= 1 && position < queue.next)) this.#outcome = "unknown";
    else this.#outcome = this.#decide(group, queue, position);
  }

  committed(): void {
    if (this.#outcome === "again") this.#again();
    else if (this.#outcome !== "asked") this.#tell(this.#outcome);
  }

  failed(error: ColloquyError): void {
    this.#refuse(error);
  }

  #decide(group: Group, queue: Queue, position: number): CancelOutcome | "asked" | "again" {
    const core = this.#core;
    if (core.changes.of(queue, group).moves(position)) return "again";
    const slot = liveAt(core, queue, position);
    if (slot === undefined) return endedAs(core.outcomes.find(queue.number, position));
    if (this.#input.ifUnstarted === true) return this.#withdraw(group, queue, slot);
    const { holder } = slot;
    finish(core, group, queue, slot, withReason(cancelledState, this.#input.reason));
    if (holder === undefined) return "cancelled";
    core.changes.of(queue, group).linger(slot);
    const reason = this.#input.reason ?? cancelledReason;
    const claim = claimOf(queue, slot);
    group.afterwards(() => holder.notify({ kind: "cancel", claim, reason }));
    return "cancelled";
  }

  #withdraw(group: Group, queue: Queue, slot: Slot): CancelOutcome | "asked" {
    const core = this.#core;
    const { failures, crashes } = slot.history.attempts;
    const { holder } = slot;
    const life = lifeOf(slot);
    // Also by a handler that is gone since: who waited for input costs no attempt.
    const asked = core.questions.of(queue.number, slot.position) !== undefined;
    const before = failures + crashes > 0 || asked;
    const started = before || life === "started" || life === "waiting-input";
    if (!started && holder === undefined) {
      finish(core, group, queue, slot, withReason(rescindedState, this.#input.reason));
      return "rescinded";
    }
    if (slot.state === "loose") queue.active?.lane(slot.lane).forget(slot);
    if (started || holder?.hearsNotices !== true) return "too-late";
    storyOf(slot).withdrawals.push({ tell: this.#tell, again: () => this.#again() });
    const claim = claimOf(queue, slot);
    group.afterwards(() => holder.notify({ kind: "withdraw", claim }));
    return "asked";
  }

  #again(): void {
    this.#core.groups.stage(this);
  }
}

const { error: cancelledReason } = cancelledState as { readonly error: ErrorInfo };

function withReason(state: MessageState, reason: ErrorInfo | undefined): MessageState {
  return reason === undefined ? state : ({ ...state, error: reason } as MessageState);
}

/** Asked again, the answer is the same. */
function endedAs(final: MessageState | undefined): CancelOutcome {
  const state = final?.state;
  return state === "cancelled" || state === "rescinded" ? state : "too-late";
}

/** The message wherever it is; undefined when it is final. When it is loose, the caller ends or forgets it. */
export function liveAt(core: Core, queue: Queue, position: number): Slot | undefined {
  const held = queue.active?.held.get(position);
  if (held !== undefined) return held.state === "final" ? undefined : held;
  return unofferedAt(core, queue, position) ?? scheduledAt(core, queue, position);
}

function scheduledAt(core: Core, queue: Queue, position: number): Slot | undefined {
  for (const lane of laneNumbers) {
    const a = scheduledKey(queue.number, lane);
    const value = core.storage.read("later", a, position);
    if (value === undefined) continue;
    const slot = new Slot(returnedPage({ a, b: position, value }), 0, lane);
    queue.activate(core.clock.nowMs()).lane(lane).keep(slot);
    slot.state = "loose";
    return slot;
  }
  return undefined;
}
