/**
 * Streams whose handler's process is gone, and that another can go on with: the same agent in its next
 * life, or another of the pool. Until there is one they wait, as long as silence is allowed.
 */
import { isColloquyError } from "../../errors.ts";
import type { Candidate } from "../../routing/candidate.ts";
import type { Site } from "../site.ts";
import type { Alternatives, RemoteCall } from "./remote-call.ts";

export class Resumptions {
  readonly #site: Site;
  readonly #waiting = new Map<RemoteCall, Alternatives | undefined>();
  #forgetChanges: (() => void) | undefined;

  constructor(site: Site) {
    this.#site = site;
  }

  begin(call: RemoteCall, alternatives: Alternatives | undefined): void {
    this.#waiting.set(call, alternatives);
    this.#forgetChanges ??= this.#site.registry.onChange(() => this.#look());
    this.#look();
  }

  forget(call: RemoteCall): void {
    this.#waiting.delete(call);
    if (this.#waiting.size > 0) return;
    this.#forgetChanges?.();
    this.#forgetChanges = undefined;
  }

  #look(): void {
    for (const [call, alternatives] of this.#waiting) {
      const target = this.#find(call, alternatives);
      if (target === undefined) continue;
      this.forget(call);
      call.resume(target);
    }
  }

  /** Not in this process, whose agents are not called by wire, and not where it was lost. */
  #find(call: RemoteCall, alternatives: Alternatives | undefined): Candidate | undefined {
    const { registry, instance } = this.#site;
    const isFit = (it: Candidate) => it.instance !== instance && !call.wasLostWith(it.instance);
    if (alternatives?.pool === undefined) {
      const next = registry.get(call.target.card.id);
      return next !== undefined && isFit(next) ? next : undefined;
    }
    const { pool, strategy, passOver = [] } = alternatives;
    const unfit = registry.members(pool).filter((it) => !isFit(it));
    try {
      return registry.choose(pool, strategy, new Set([...passOver, ...unfit]));
    } catch (error) {
      if (isColloquyError(error, "NO_ELIGIBLE_AGENT")) return undefined;
      throw error;
    }
  }
}
