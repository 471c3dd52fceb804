/** What waits for what in this process, read off the work that is here: nothing is kept for it. */
import type { Address } from "../../message/address.ts";
import type { LocalAgent, Work } from "../work.ts";
import { type BlockedWork, keyOf, type WorkReference } from "./waits.ts";

/** Where a process finds its work. */
export interface WorkHere {
  readonly instance: string;
  agentAt(address: Address): LocalAgent | undefined;
  /** Work that came from another process. */
  requestOf(id: string): Work | undefined;
}

/** Handlers that have called out and have not ended, by agent. */
export class Callers {
  readonly #works = new Map<string, Set<Work>>();

  add(agent: string, work: Work): void {
    if (work.placeless) return;
    const works = this.#works.get(agent);
    if (works === undefined) this.#works.set(agent, new Set([work]));
    else works.add(work);
  }

  #remove(agent: string, work: Work): void {
    const works = this.#works.get(agent);
    if (works?.delete(work) === true && works.size === 0) this.#works.delete(agent);
  }

  /** Its handler gives its place up, to ask somebody or because it has ended. */
  leave(agent: string, work: Work): void {
    work.placeless = true;
    if (work.run !== undefined) this.#remove(agent, work);
  }

  retake(agent: string, work: Work): void {
    work.placeless = false;
    if (work.run !== undefined) this.add(agent, work);
  }

  of(agent: string): ReadonlySet<Work> {
    return this.#works.get(agent) ?? none;
  }
}

const none: ReadonlySet<Work> = new Set();

/** More than that is taken to go on. */
const worksMax = 2_048;

export class LocalWaits {
  /** By key; what they are here. */
  readonly works: Map<string, Work> = new Map();
  readonly blocked: Map<string, BlockedWork> = new Map();
  readonly #here: WorkHere;
  readonly #callers: Callers;

  constructor(here: WorkHere, callers: Callers) {
    this.#here = here;
    this.#callers = callers;
  }

  /**
   * Follows what `works` wait for, as far as it is in this process.
   *
   * @returns false when something of it can go on.
   */
  follow(works: Iterable<Work>): boolean {
    const toVisit = [...works];
    for (let work = toVisit.pop(); work !== undefined; work = toVisit.pop()) {
      const reference = this.#referenceOf(work);
      const key = keyOf(reference);
      if (this.works.has(key)) continue;
      const next: Work[] = [];
      const on =
        work.outcome === "not-started" ? this.#queuedOn(work, next) : this.#calledBy(work, next);
      if (on === undefined || on.length === 0 || this.works.size >= worksMax) return false;
      this.works.set(key, work);
      this.blocked.set(key, {
        ...reference,
        name: work.name,
        queued: work.outcome === "not-started",
        changes: work.run?.changes ?? 0,
        on,
      });
      toVisit.push(...next);
    }
    return true;
  }

  /** As `follow`, for work that another process knows by the id of its request. */
  followRequests(ids: Iterable<string>): boolean {
    for (const id of ids) {
      const work = this.#here.requestOf(id);
      if (work === undefined || !this.follow([work])) return false;
    }
    return true;
  }

  /** @returns undefined when a handler that runs there has nothing to wait for, or one could start. */
  #queuedOn(work: Work, next: Work[]): readonly WorkReference[] | undefined {
    const [to] = work.message.to;
    const agent = to === undefined ? undefined : this.#here.agentAt(to);
    if (agent === undefined || agent.running < agent.capacity) return undefined;
    const callers = this.#callers.of(agent.id);
    if (callers.size < agent.running) return undefined;
    next.push(...callers);
    return [...callers].map((it) => this.#referenceOf(it));
  }

  #calledBy(work: Work, next: Work[]): readonly WorkReference[] | undefined {
    // Also a handler that nobody waits for any more keeps its place, and may call out.
    const running = work.run !== undefined && this.#callers.of(work.run.step.agent).has(work);
    if (!running || work.calls === undefined) return undefined;
    const on: WorkReference[] = [];
    for (const { waitsFor } of work.calls) {
      if (waitsFor === undefined) return undefined;
      if ("instance" in waitsFor) on.push(waitsFor);
      else {
        next.push(waitsFor);
        on.push(this.#referenceOf(waitsFor));
      }
    }
    return on;
  }

  #referenceOf({ run, message }: Work): WorkReference {
    const agent = run?.step.agent ?? message.to[0]?.slice("agent:".length) ?? "";
    return { instance: this.#here.instance, agent, id: message.id };
  }
}
