/** Other processes as presence shows them: each counts with its agents for as long as its lease is there. */
import { ColloquyError } from "../errors.ts";
import type { AgentCard, ProcessCard } from "../routing/card.ts";
import type { Registry } from "../routing/registry.ts";
import type { Clock, Timer } from "../runtime/clock.ts";

interface Instance {
  leased: boolean;
  links: number;
  doubt: Doubt | undefined;
  readonly chunks: Map<string, readonly AgentCard[]>;
}

/** What is kept from before the broker was lost, until it is told again or its time is over. */
interface Doubt {
  readonly timer: Timer;
  lease: boolean;
  readonly chunks: Set<string>;
}

export interface Lease {
  readonly links: number;
  readonly loads: Readonly<Record<string, number>>;
  /** As a process of whatever version or language has written it. */
  readonly process?: unknown;
}

export class OtherInstances {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #instances = new Map<string, Instance>();

  constructor(registry: Registry, clock: Clock, leaseMs: number) {
    this.#registry = registry;
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  /**
   * @param value - undefined where it is over.
   * @throws SERIALIZATION_ERROR for what is no lease.
   */
  learnLease(name: string, value: unknown): void {
    const instance = this.#instances.get(name);
    if (value === undefined) {
      if (instance === undefined) return;
      instance.leased = false;
      if (instance.doubt !== undefined) instance.doubt.lease = false;
      if (instance.chunks.size === 0) this.#forget(name, instance);
      this.#registry.lose(name);
      return;
    }
    if (!isLease(value)) throw unreadable("lease");
    const { links, loads, process } = value;
    const known = instance ?? newInstance();
    this.#instances.set(name, known);
    const missed = known.leased && known.links !== links;
    known.links = links;
    if (known.doubt !== undefined) known.doubt.lease = false;
    if (isProcessCard(process)) this.#registry.describe(name, process);
    if (!known.leased) {
      known.leased = true;
      this.#registry.replace(name, [], [...known.chunks.values()].flat());
    }
    this.#registry.reportLoad(name, loads);
    if (missed) this.#registry.returned(name);
  }

  /**
   * @param cards - the chunk's; undefined where it is gone.
   * @throws SERIALIZATION_ERROR for what are no cards.
   */
  learnCards(name: string, chunk: string, cards: unknown = []): void {
    if (!isCards(cards)) throw unreadable("cards");
    const known = this.#instances.get(name) ?? newInstance();
    const before = known.chunks.get(chunk) ?? [];
    known.doubt?.chunks.delete(chunk);
    if (cards.length > 0) known.chunks.set(chunk, cards);
    else known.chunks.delete(chunk);
    if (known.leased || known.chunks.size > 0) this.#instances.set(name, known);
    else this.#forget(name, known);
    if (known.leased) this.#registry.replace(name, before, cards);
  }

  /** Everything is told anew: who, or which cards, do not come again within a lease's time are gone. */
  doubt(): void {
    for (const [name, instance] of this.#instances) {
      instance.doubt?.timer.cancel();
      const timer = this.#clock.setTimer(this.#leaseMs, () => this.#settle(name, instance));
      instance.doubt = { timer, lease: true, chunks: new Set(instance.chunks.keys()) };
    }
  }

  #settle(name: string, instance: Instance): void {
    const { doubt } = instance;
    instance.doubt = undefined;
    if (doubt?.lease === true) {
      this.#forget(name, instance);
      this.#registry.lose(name);
    } else for (const chunk of doubt?.chunks ?? []) this.learnCards(name, chunk);
  }

  #forget(name: string, instance: Instance): void {
    instance.doubt?.timer.cancel();
    if (this.#instances.get(name) === instance) this.#instances.delete(name);
  }

  close(): void {
    for (const { doubt } of this.#instances.values()) doubt?.timer.cancel();
  }
}

function unreadable(what: string): ColloquyError {
  return new ColloquyError("SERIALIZATION_ERROR", `presence: an entry is no ${what}`);
}

function isLease(value: unknown): value is Lease {
  if (typeof value !== "object" || value === null) return false;
  const { links, loads } = value as Partial<Lease>;
  return typeof links === "number" && typeof loads === "object" && loads !== null;
}

function isCards(value: unknown): value is readonly AgentCard[] {
  return Array.isArray(value) && value.every(isCard);
}

function isCard(value: unknown): value is AgentCard {
  if (typeof value !== "object" || value === null) return false;
  const { id, type, capabilities, startedMs } = value as Partial<AgentCard>;
  const isNamed = typeof id === "string" && typeof type === "string";
  return isNamed && typeof startedMs === "number" && Array.isArray(capabilities);
}

function isProcessCard(value: unknown): value is ProcessCard {
  if (typeof value !== "object" || value === null) return false;
  const { name, host, pid } = value as Partial<ProcessCard>;
  return typeof name === "string" && typeof host === "string" && typeof pid === "number";
}

function newInstance(): Instance {
  return { leased: false, links: 0, doubt: undefined, chunks: new Map() };
}
