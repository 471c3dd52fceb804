/**
 * Calls to other processes that have no answer yet. They outlive the broker connection: after a
 * reconnect each asks its handler's process what became of it.
 */
import { type ColloquyError, isColloquyError } from "../errors.ts";
import type { Message } from "../message/message.ts";
import type { Candidate } from "../routing/candidate.ts";
import type { Strategy } from "../routing/strategies.ts";
import type { Clock } from "../runtime/clock.ts";
import { HashTable } from "../runtime/hash-table.ts";
import type { CallTable, RemoteCall } from "./remote-call.ts";
import type { Site } from "./site.ts";

/** Where a call may go when its target is gone. */
export interface Alternatives {
  /** The pool it was sent to; undefined for one agent in particular. */
  readonly pool: string | undefined;
  readonly strategy: Strategy;
}

/** How long after a reconnect the other processes get to reconnect too. */
const regroupMs = 2_000;
const retryMs = 50;

export class RemoteCalls implements CallTable {
  readonly #site: Site;
  readonly #clock: Clock;
  readonly #calls = new HashTable<string, RemoteCall>();
  readonly #alternatives = new Map<RemoteCall, Alternatives>();
  readonly #tried = new Map<RemoteCall, Set<Candidate>>();
  #regroupUntilMs = Number.NEGATIVE_INFINITY;

  constructor(site: Site) {
    this.#site = site;
    this.#clock = site.clock;
  }

  get size(): number {
    return this.#calls.size;
  }

  begin(call: RemoteCall, alternatives: Alternatives): void {
    this.#calls.set(call.id, call);
    if (alternatives.pool !== undefined) this.#alternatives.set(call, alternatives);
    call.begin();
  }

  forget(call: RemoteCall): void {
    this.#calls.delete(call.id);
    if (this.#alternatives.size > 0) this.#alternatives.delete(call);
    if (this.#tried.size > 0) this.#tried.delete(call);
  }

  /** An answer or control message for one of the calls. What comes from a stale twin is late. */
  onMessage(message: Message): void {
    const { correlationId, from, kind } = message.envelope;
    const call = this.#calls.get(correlationId ?? "");
    if (call === undefined || call.target.instance !== from.instance) {
      if (kind !== "control") this.#site.counters.late++;
      return;
    }
    try {
      if (kind === "control") call.onControl(message);
      else call.onAnswer(message);
    } catch (error) {
      call.fail(error);
    }
  }

  /** The broker can be reached again: what was on its way may be lost. */
  reattach(): void {
    this.#regroupUntilMs = this.#clock.monotonicMs() + regroupMs;
    for (const call of this.#calls.values()) this.#inquire(call);
  }

  unheard(call: RemoteCall): void {
    this.#site.registry.suspect(call.target.instance);
    const next = this.#next(call);
    if (next !== undefined) return call.redirect(next);
    if (!this.#regrouping) return call.refuse();
    this.#tried.delete(call);
    this.#clock.setTimer(retryMs, () => {
      if (!call.final) call.send();
    });
  }

  close(error: ColloquyError): void {
    for (const call of this.#calls.values()) call.fail(error);
  }

  get #regrouping(): boolean {
    return this.#clock.monotonicMs() < this.#regroupUntilMs;
  }

  #inquire(call: RemoteCall): void {
    call.inquire(() => {
      if (call.final) return;
      if (!this.#regrouping) return call.lose();
      this.#clock.setTimer(retryMs, () => {
        if (!call.final) this.#inquire(call);
      });
    });
  }

  /** Another agent of the pool, of another process: those of this one are not called by wire. */
  #next(call: RemoteCall): Candidate | undefined {
    const alternatives = this.#alternatives.get(call);
    if (alternatives?.pool === undefined) return undefined;
    const tried = this.#tried.get(call) ?? new Set<Candidate>();
    this.#tried.set(call, tried.add(call.target));
    try {
      return this.#site.registry.choose(alternatives.pool, alternatives.strategy, tried);
    } catch (error) {
      if (isColloquyError(error, "NO_ELIGIBLE_AGENT")) return undefined;
      throw error;
    }
  }
}
