/**
 * Waits for other processes that have no answer yet. They outlive the broker connection: after a
 * reconnect each asks its handler's process what became of it.
 */
import { type ColloquyError, isColloquyError } from "../../errors.ts";
import type { Message } from "../../message/message.ts";
import type { Candidate } from "../../routing/candidate.ts";
import type { InstanceListener } from "../../routing/registry.ts";
import type { Clock } from "../../runtime/clock.ts";
import { HashTable } from "../../runtime/hash-table.ts";
import type { Site } from "../site.ts";
import { Regrouping } from "./regrouping.ts";
import type { Alternatives, CallTable, RemoteCall } from "./remote-call.ts";
import type { RemoteWait } from "./remote-wait.ts";
import { Resumptions } from "./resumptions.ts";
import { Verdicts } from "./verdicts.ts";

/** How long a process where nobody listened is passed over. */
const suspicionMs = 1_500;

export class RemoteCalls implements CallTable, InstanceListener {
  readonly verdicts: Verdicts;
  readonly #site: Site;
  readonly #clock: Clock;
  readonly #waits = new HashTable<string, RemoteWait>();
  readonly #alternatives = new Map<RemoteWait, Alternatives>();
  readonly #resumptions: Resumptions;
  readonly #tried = new Map<RemoteWait, Set<Candidate>>();
  readonly #suspects = new Set<string>();
  readonly #regrouping: Regrouping;

  constructor(site: Site) {
    this.#site = site;
    this.#clock = site.clock;
    this.#regrouping = new Regrouping(site.clock);
    this.verdicts = new Verdicts(site, this.#regrouping);
    this.#resumptions = new Resumptions(site);
  }

  get size(): number {
    return this.#waits.size;
  }

  begin(wait: RemoteWait, alternatives?: Alternatives): void {
    this.#waits.set(wait.id, wait);
    if (alternatives?.pool !== undefined) this.#alternatives.set(wait, alternatives);
    wait.begin();
  }

  forget(wait: RemoteWait): void {
    this.#waits.delete(wait.id);
    if (this.#alternatives.size > 0) this.#alternatives.delete(wait);
    if (this.#tried.size > 0) this.#tried.delete(wait);
  }

  /** An answer or control message for one of the waits. What comes from a stale twin is late. */
  onMessage(message: Message): void {
    const { correlationId, from, kind, name } = message.envelope;
    if (kind === "control" && name === "verdict") return this.verdicts.onVerdict(message);
    const wait = this.#waits.get(correlationId ?? "");
    if (wait === undefined || wait.operation.instance !== from.instance) {
      if (kind !== "control") this.#site.counters.late++;
      return;
    }
    try {
      if (kind === "control") wait.onControl(message);
      else wait.onAnswer(message);
    } catch (error) {
      wait.fail(error);
    }
  }

  /** The broker can be reached again: what was on its way may be lost. */
  reattach(): void {
    this.#regrouping.begin();
    this.inquireOfAll();
    this.verdicts.reattach();
  }

  /** Answers may have been lost on their way here. */
  inquireOfAll(): void {
    for (const wait of this.#waits.values()) this.inquire(wait);
  }

  /** It ended, or stands still: the question finds out which. */
  lost(instance: string): void {
    this.#inquireOf(instance);
  }

  returned(instance: string): void {
    this.#inquireOf(instance);
  }

  unheard(call: RemoteCall, noRoom: boolean): void {
    if (!noRoom) this.#suspect(call.target.instance);
    this.#toAnother(call, noRoom);
  }

  #suspect(instance: string): void {
    const { registry } = this.#site;
    registry.suspect(instance);
    if (this.#suspects.has(instance)) return;
    this.#suspects.add(instance);
    this.#clock.setTimer(suspicionMs, () => {
      this.#suspects.delete(instance);
      registry.trust(instance);
    });
  }

  elsewhere(call: RemoteCall): void {
    this.#toAnother(call, false);
  }

  #toAnother(call: RemoteCall, noRoom: boolean): void {
    if (call.asking) return;
    const { target } = call;
    const next = this.#next(call);
    if (next !== undefined) return call.redirect(next);
    if (noRoom) return call.refuse(true);
    this.#tried.delete(call);
    this.#regrouping.unheard(
      () => {
        if (!call.final && call.target === target) call.send();
      },
      () => call.refuse(false),
    );
  }

  /** The stream goes on elsewhere, as soon as there is somebody. */
  resume(call: RemoteCall): void {
    this.#resumptions.begin(call, this.#alternatives.get(call));
  }

  /** It does so no longer. */
  giveUp(call: RemoteCall): void {
    this.#resumptions.forget(call);
  }

  inquire(wait: RemoteWait): void {
    const { instance } = wait.operation;
    wait.inquire(() => {
      if (wait.final || wait.operation.instance !== instance) return;
      this.#regrouping.unheard(
        () => {
          if (!wait.final) this.inquire(wait);
        },
        () => wait.lose(),
      );
    });
  }

  close(error: ColloquyError): void {
    for (const wait of this.#waits.values()) wait.fail(error);
    this.verdicts.close();
  }

  #inquireOf(instance: string): void {
    for (const wait of this.#waits.values()) {
      if (wait.operation.instance === instance) this.inquire(wait);
    }
  }

  /** Another agent of the pool, of another process: those of this one are not called by wire. */
  #next(call: RemoteCall): Candidate | undefined {
    const alternatives = this.#alternatives.get(call);
    if (alternatives?.pool === undefined) return undefined;
    const tried = this.#tried.get(call) ?? new Set<Candidate>(alternatives.passOver);
    this.#tried.set(call, tried.add(call.target));
    const { registry, instance } = this.#site;
    for (const member of registry.members(alternatives.pool)) {
      if (member.instance === instance) tried.add(member);
    }
    try {
      return registry.choose(alternatives.pool, alternatives.strategy, tried);
    } catch (error) {
      if (isColloquyError(error, "NO_ELIGIBLE_AGENT")) return undefined;
      throw error;
    }
  }
}
