/**
 * What one process knows of every agent: who is there, where, and who can do what. Fed by presence;
 * read by requests, on the hot path.
 *
 * Invariant: an id belongs to one candidate, the youngest; an older twin is kept aside and cannot be
 * chosen.
 */
import { ColloquyError } from "../errors.ts";
import type { Address } from "../message/address.ts";
import { Candidate } from "./candidate.ts";
import type { AgentCard, AgentInfo, ProcessCard } from "./card.ts";
import { chooseBy, type Strategy } from "./strategies.ts";

interface Pool {
  readonly members: Candidate[];
  turn: number;
}

export interface AgentQuery {
  readonly id?: string;
  readonly type?: string;
  readonly capability?: string;
}

export type RegistryListener = () => void;

/** What becomes of other processes, as far as exchanges with them are concerned. */
export interface InstanceListener {
  /** It gives no sign of life any more: it ended, or stands still. */
  lost(instance: string): void;
  /** It had lost the broker and has found it again: what was sent to it meanwhile may be lost. */
  returned(instance: string): void;
}

export class Registry {
  /** By agent id; the youngest first. An array only where there are several, for nearly all are alone. */
  readonly #twins = new Map<string, Candidate | readonly Candidate[]>();
  /** By address: `type:...` and `skill:...`. */
  readonly #pools = new Map<string, Pool>();
  readonly #byInstance = new Map<string, Map<string, Candidate>>();
  readonly #processes = new Map<string, ProcessCard>();
  readonly #listeners = new Set<RegistryListener>();
  readonly #instanceListeners = new Set<InstanceListener>();
  #onTwins: ((id: string) => void) | undefined;

  /** Of the agents of `instance`, those with the cards `before` are now those with the cards `after`. */
  replace(instance: string, before: readonly AgentCard[], after: readonly AgentCard[]): void {
    const agents = this.#agentsOf(instance);
    for (const card of after) this.#put(agents, instance, card);
    for (const card of before) {
      const candidate = agents.get(card.id);
      // It may have got another card meanwhile: then it is still there.
      if (candidate?.card !== card) continue;
      agents.delete(card.id);
      this.#drop(candidate);
    }
    if (agents.size === 0) this.#byInstance.delete(instance);
    this.#tell();
  }

  /** Adds or changes one agent of `instance`. */
  set(instance: string, card: AgentCard): Candidate {
    const candidate = this.#put(this.#agentsOf(instance), instance, card);
    this.#tell();
    return candidate;
  }

  remove(instance: string, id?: string): void {
    const agents = this.#byInstance.get(instance);
    if (agents === undefined) return;
    for (const candidate of id === undefined ? [...agents.values()] : [agents.get(id)]) {
      if (candidate === undefined) continue;
      agents.delete(candidate.card.id);
      this.#drop(candidate);
    }
    if (agents.size === 0) this.#byInstance.delete(instance);
    this.#tell();
  }

  /** Says what process `instance` is. */
  describe(instance: string, process: ProcessCard): void {
    this.#processes.set(instance, process);
  }

  /** Forgets every agent of a process that gives no sign of life any more. */
  lose(instance: string): void {
    this.remove(instance);
    this.#processes.delete(instance);
    for (const listener of this.#instanceListeners) listener.lost(instance);
  }

  returned(instance: string): void {
    for (const listener of this.#instanceListeners) listener.returned(instance);
  }

  /** Handlers each agent of `instance` said it is running; also the sign that the instance lives. */
  reportLoad(instance: string, loads: Readonly<Record<string, number>>): void {
    for (const [id, candidate] of this.#byInstance.get(instance) ?? []) {
      candidate.report(loads[id] ?? 0);
      candidate.suspect = false;
    }
  }

  /** Nobody listened there: its agents are passed over until they show themselves again, or are trusted. */
  suspect(instance: string): void {
    this.#setSuspect(instance, true);
  }

  trust(instance: string): void {
    this.#setSuspect(instance, false);
  }

  #setSuspect(instance: string, suspect: boolean): void {
    for (const candidate of this.#byInstance.get(instance)?.values() ?? []) {
      candidate.suspect = suspect;
    }
  }

  get(id: string): Candidate | undefined {
    return first(this.#twins.get(id));
  }

  instances(): IterableIterator<string> {
    return this.#byInstance.keys();
  }

  /**
   * The agent that `strategy` gives the next request of a `type:` or `skill:` address.
   *
   * @param passOver - those tried in vain before.
   * @throws NO_ELIGIBLE_AGENT when nobody there is active and below capacity.
   */
  choose(address: string, strategy: Strategy, passOver?: ReadonlySet<Candidate>): Candidate {
    const pool = this.#pools.get(address);
    const eligible = pool === undefined ? [] : eligibleOf(pool.members, passOver);
    if (pool === undefined || eligible.length === 0) throw noEligible(address, pool?.members);
    return chooseBy[strategy](eligible, pool.turn++);
  }

  /** Every agent of a pool, eligible or not. */
  members(address: string): readonly Candidate[] {
    return this.#pools.get(address)?.members ?? [];
  }

  find(query: AgentQuery = {}): readonly AgentInfo[] {
    const found: AgentInfo[] = [];
    for (const twins of this.#twins.values()) {
      const candidate = first(twins);
      if (candidate === undefined || !matches(candidate.card, query)) continue;
      const { card, instance, load } = candidate;
      found.push({ ...card, instance, load, process: this.#processes.get(instance) });
    }
    return found;
  }

  /** Calls `listener` after every change, until the returned function is called. */
  onChange(listener: RegistryListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells `listener` what becomes of other processes. */
  follow(listener: InstanceListener): void {
    this.#instanceListeners.add(listener);
  }

  /** Calls `changed` when another life of an agent comes or goes; `get` says which is the youngest then. */
  followTwins(changed: (id: string) => void): void {
    this.#onTwins = changed;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #agentsOf(instance: string): Map<string, Candidate> {
    const agents = this.#byInstance.get(instance) ?? new Map<string, Candidate>();
    this.#byInstance.set(instance, agents);
    return agents;
  }

  #put(agents: Map<string, Candidate>, instance: string, card: AgentCard): Candidate {
    const known = agents.get(card.id);
    if (known !== undefined) return this.#change(known, card);
    const candidate = this.#add(new Candidate(card, instance));
    agents.set(card.id, candidate);
    return candidate;
  }

  #add(candidate: Candidate): Candidate {
    const id = candidate.card.id;
    const known = this.#twins.get(id);
    if (known === undefined) {
      this.#twins.set(id, candidate);
      this.#joinPools(candidate);
      return candidate;
    }
    const before = first(known);
    const twins = [candidate, known].flat().sort(youngestFirst);
    this.#twins.set(id, twins);
    if (twins[0] === candidate) {
      if (before !== undefined) this.#leavePools(before);
      this.#joinPools(candidate);
    }
    this.#onTwins?.(id);
    return candidate;
  }

  #drop(candidate: Candidate): void {
    const id = candidate.card.id;
    const twins = [this.#twins.get(id) ?? []].flat();
    const wasFirst = twins[0] === candidate;
    const rest = twins.filter((it) => it !== candidate);
    if (rest.length === 0) this.#twins.delete(id);
    else {
      this.#twins.set(id, rest);
      this.#onTwins?.(id);
    }
    if (!wasFirst) return;
    this.#leavePools(candidate);
    if (rest[0] !== undefined) this.#joinPools(rest[0]);
  }

  #change(candidate: Candidate, card: AgentCard): Candidate {
    candidate.suspect = false;
    if (samePlace(candidate.card, card)) {
      candidate.card = card;
      return candidate;
    }
    this.#drop(candidate);
    candidate.card = card;
    return this.#add(candidate);
  }

  #joinPools(candidate: Candidate): void {
    for (const address of addressesOf(candidate.card)) {
      const pool = this.#pools.get(address);
      if (pool === undefined) this.#pools.set(address, { members: [candidate], turn: 0 });
      else pool.members.push(candidate);
    }
  }

  #leavePools(candidate: Candidate): void {
    for (const address of addressesOf(candidate.card)) {
      const members = this.#pools.get(address)?.members ?? [];
      const index = members.indexOf(candidate);
      if (index >= 0) members.splice(index, 1);
      if (members.length === 0) this.#pools.delete(address);
    }
  }
}

function first(twins: Candidate | readonly Candidate[] | undefined): Candidate | undefined {
  return twins instanceof Candidate ? twins : twins?.[0];
}

/** The pools an agent belongs to. */
export function addressesOf(card: Pick<AgentCard, "type" | "capabilities">): readonly Address[] {
  const skills = card.capabilities.map((capability): Address => `skill:${capability}`);
  return [`type:${card.type}`, ...skills];
}

function samePlace(a: AgentCard, b: AgentCard): boolean {
  if (a.type !== b.type || a.startedMs !== b.startedMs) return false;
  if (a.capabilities.length !== b.capabilities.length) return false;
  return a.capabilities.every((capability, index) => capability === b.capabilities[index]);
}

function youngestFirst(a: Candidate, b: Candidate): number {
  return b.card.startedMs - a.card.startedMs || (a.instance < b.instance ? 1 : -1);
}

function eligibleOf(
  members: readonly Candidate[],
  passOver: ReadonlySet<Candidate> | undefined,
): readonly Candidate[] {
  const fits = (it: Candidate) => it.eligible && passOver?.has(it) !== true;
  return members.every(fits) ? members : members.filter(fits);
}

function matches(card: AgentCard, { id, type, capability }: AgentQuery): boolean {
  if (id !== undefined && card.id !== id) return false;
  if (type !== undefined && card.type !== type) return false;
  return capability === undefined || card.capabilities.includes(capability);
}

function noEligible(address: string, members: readonly Candidate[] = []): ColloquyError {
  const known = members.map(({ card, load, suspect }) => ({
    agent: card.id,
    status: suspect ? "unreachable" : card.status,
    load,
    capacity: card.capacity,
  }));
  const why =
    known.length === 0 ? "nobody is there" : `none of ${known.length} is active and has room`;
  return new ColloquyError("NO_ELIGIBLE_AGENT", `no agent can take ${address}: ${why}`, {
    details: { address, agents: known },
  });
}
