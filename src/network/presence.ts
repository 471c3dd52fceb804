/**
 * Who is there. Each process keeps two kinds of volatile entries in the broker's store and watches
 * those of all others:
 *
 *   presence/INSTANCE/lease      ends by itself 5 s after its last renewal; { links, loads, process }: how
 *                                often the process has found the broker again, its agents' load, and
 *                                its name, host and pid, for people
 *   presence/INSTANCE/cards/N    up to 256 agents' cards; counts only while the lease is there, and
 *                                ends by itself 10 min after it was last written
 *
 * Both are bound to their process: a hub that learns of its end deletes them at once.
 *
 * When the broker was lost and comes back empty, what was known stays known for one lease's time:
 * the others need a moment to show themselves again.
 */
import type { Store, StoreChange, StorePutOutcome, StoreWrite } from "../broker/broker.ts";
import { errorFromInfo } from "../errors.ts";
import { packValue, unpackValue } from "../exchange/packed.ts";
import type { Site } from "../exchange/site.ts";
import type { AgentCard, ProcessCard } from "../routing/card.ts";
import type { Timer } from "../runtime/clock.ts";

export const leaseMs = 5_000;
const renewMs = 1_500;
const cardsMs = 600_000;
const rewriteMs = 180_000;
/** Renewals that may wait for their answer. */
const renewalsMax = 16;
const cardsPerChunk = 256;

/** An agent of this process, as presence shows it. */
export interface PresentAgent {
  readonly card: AgentCard;
  readonly load: number;
}

interface Instance {
  leased: boolean;
  links: number;
  /** Kept from before the broker was lost, until then. */
  doubt: Timer | undefined;
  readonly chunks: Map<string, readonly AgentCard[]>;
}

interface Lease {
  readonly links: number;
  readonly loads: Readonly<Record<string, number>>;
  /** As a process of whatever version or language has written it. */
  readonly process?: unknown;
}

export class Presence {
  readonly #site: Site;
  readonly #store: Store;
  readonly #agents: (PresentAgent | undefined)[] = [];
  readonly #places = new Map<PresentAgent, number>();
  readonly #free: number[] = [];
  readonly #changed = new Set<number>();
  readonly #instances = new Map<string, Instance>();
  readonly #prefix: string;
  readonly #process: ProcessCard | undefined;
  #flushing: Promise<void> | undefined;
  #renewal: Timer | undefined;
  #rewrite: Timer | undefined;
  #links = 0;
  /** Renewals on their way. */
  #renewing = 0;
  #closed = false;

  constructor(site: Site, store: Store, process: ProcessCard | undefined) {
    this.#site = site;
    this.#process = process;
    if (process !== undefined) site.registry.describe(site.instance, process);
    this.#store = store;
    this.#prefix = site.space.presenceKey("");
  }

  /** Shows this process and learns who else is there. */
  async open(signal: AbortSignal): Promise<void> {
    this.#markAll();
    await this.#renew();
    const learn = (changes: readonly StoreChange[]) => this.#learn(changes);
    await this.#store.watch(this.#prefix, learn, signal, (error) => this.#fail(error));
  }

  /** Resolves when the others can see the agent, or its changed card. */
  async show(agent: PresentAgent): Promise<void> {
    let place = this.#places.get(agent);
    if (place === undefined) {
      place = this.#free.pop() ?? this.#agents.length;
      this.#places.set(agent, place);
      this.#agents[place] = agent;
    }
    this.#site.registry.set(this.#site.instance, agent.card).local = agent;
    await this.#mark(place);
  }

  async hide(agent: PresentAgent): Promise<void> {
    const place = this.#places.get(agent);
    if (place === undefined) return;
    this.#places.delete(agent);
    this.#agents[place] = undefined;
    this.#free.push(place);
    this.#site.registry.remove(this.#site.instance, agent.card.id);
    await this.#mark(place);
  }

  /** After the broker came back: its volatile entries are gone. */
  async restore(): Promise<void> {
    this.#links++;
    this.#markAll();
    await Promise.all([this.#renew(), this.#flush()]);
  }

  #markAll(): void {
    this.#rewrite?.cancel();
    this.#rewrite = this.#site.clock.setTimer(rewriteMs, () => {
      this.#markAll();
      this.#flush().catch((error: unknown) => this.#fail(error));
    });
    for (let place = 0; place < this.#agents.length; place += cardsPerChunk) {
      this.#changed.add(Math.floor(place / cardsPerChunk));
    }
  }

  /** Tells the others that this process is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#renewal?.cancel();
    this.#rewrite?.cancel();
    for (const { doubt } of this.#instances.values()) doubt?.cancel();
    const chunks = Math.ceil(this.#agents.length / cardsPerChunk);
    const keys = ["lease", ...Array.from({ length: chunks }, (_, chunk) => `cards/${chunk}`)];
    await this.#store.put(keys.map((key) => ({ key: this.#own(key), volatile: true })));
  }

  #own(key: string): string {
    return `${this.#prefix}${this.#site.instance}/${key}`;
  }

  async #renew(): Promise<void> {
    this.#renewal?.cancel();
    const loads: Record<string, number> = {};
    for (const agent of this.#places.keys()) {
      if (agent.load > 0) loads[agent.card.id] = agent.load;
    }
    this.#renewLater();
    const process = this.#process;
    const lease: Lease = {
      links: this.#links,
      loads,
      ...(process === undefined ? {} : { process }),
    };
    const value = packValue(lease);
    this.#renewing++;
    try {
      await this.#store.put([
        { key: this.#own("lease"), value, ttlMs: leaseMs, volatile: true, bound: true },
      ]);
    } finally {
      this.#renewing--;
    }
  }

  #renewLater(): void {
    this.#renewal = this.#site.clock.setTimer(renewMs, () => {
      // While the broker is away they must not pile up; answers may be late where this process is slow.
      if (this.#renewing >= renewalsMax) this.#renewLater();
      else this.#renew().catch((error: unknown) => this.#fail(error));
      // What could not be written before.
      if (this.#changed.size > 0) this.#flush().catch((error: unknown) => this.#fail(error));
    });
  }

  #mark(place: number): Promise<void> {
    this.#changed.add(Math.floor(place / cardsPerChunk));
    return this.#flush();
  }

  /** Writes changed chunks; what changes meanwhile goes with the next write. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #write(): Promise<void> {
    await new Promise<void>((resolve) => this.#site.clock.defer(resolve));
    while (this.#changed.size > 0 && !this.#closed) {
      const changed = [...this.#changed];
      const writes = changed.map((chunk): StoreWrite => {
        const key = this.#own(`cards/${chunk}`);
        const cards = this.#agents
          .slice(chunk * cardsPerChunk, (chunk + 1) * cardsPerChunk)
          .flatMap((agent) => (agent === undefined ? [] : [agent.card]));
        if (cards.length === 0) return { key, volatile: true };
        return { key, value: packValue(cards), ttlMs: cardsMs, volatile: true, bound: true };
      });
      this.#changed.clear();
      let outcome: StorePutOutcome | undefined;
      try {
        outcome = await this.#store.put(writes);
      } finally {
        // With the next renewal, or when the broker is back.
        if (outcome?.kind !== "stored") for (const chunk of changed) this.#changed.add(chunk);
      }
      if (outcome.kind === "rejected") throw errorFromInfo(outcome.error);
      if (outcome.kind !== "stored") return;
    }
  }

  #learn(changes: readonly StoreChange[]): void {
    const touched = new Set<string>();
    for (const change of changes) {
      if (change.kind === "reset") this.#doubt();
      else {
        const [instance = "", part = "", chunk = ""] = change.key
          .slice(this.#prefix.length)
          .split("/");
        if (instance === this.#site.instance) continue;
        const value = change.kind === "put" ? unpackValue(change.value) : undefined;
        if (part === "lease") this.#learnLease(instance, value);
        else if (this.#learnCards(instance, chunk, value)) touched.add(instance);
      }
    }
    for (const instance of touched) this.#apply(instance);
  }

  #learnLease(name: string, value: unknown): void {
    const instance = this.#instances.get(name);
    if (value === undefined) {
      if (instance === undefined) return;
      instance.leased = false;
      if (instance.chunks.size === 0) this.#instances.delete(name);
      this.#site.registry.lose(name);
      return;
    }
    const { links, loads, process } = value as Lease;
    const known = instance ?? newInstance();
    this.#instances.set(name, known);
    const missed = known.leased && known.links !== links;
    known.links = links;
    known.doubt?.cancel();
    known.doubt = undefined;
    if (isProcessCard(process)) this.#site.registry.describe(name, process);
    if (!known.leased) {
      known.leased = true;
      this.#apply(name);
    }
    this.#site.registry.reportLoad(name, loads);
    if (missed) this.#site.registry.returned(name);
  }

  #learnCards(name: string, chunk: string, value: unknown): boolean {
    const known = this.#instances.get(name) ?? newInstance();
    this.#instances.set(name, known);
    if (value !== undefined) known.chunks.set(chunk, value as readonly AgentCard[]);
    else if (known.chunks.delete(chunk) && known.chunks.size === 0 && !known.leased) {
      this.#instances.delete(name);
    }
    return known.leased;
  }

  #apply(name: string): void {
    const instance = this.#instances.get(name);
    if (instance?.leased !== true) return;
    this.#site.registry.replace(name, [...instance.chunks.values()].flat());
  }

  /** Everything is told anew: who does not come again within a lease's time is gone. */
  #doubt(): void {
    for (const [name, instance] of this.#instances) {
      instance.doubt?.cancel();
      instance.doubt = this.#site.clock.setTimer(leaseMs, () => this.#drop(name, instance));
    }
  }

  #drop(name: string, instance: Instance): void {
    instance.doubt?.cancel();
    if (this.#instances.get(name) === instance) this.#instances.delete(name);
    this.#site.registry.lose(name);
  }

  #fail(error: unknown): void {
    if (!this.#closed) this.#site.onError(error, "presence");
  }
}

function isProcessCard(value: unknown): value is ProcessCard {
  if (typeof value !== "object" || value === null) return false;
  const { name, host, pid } = value as Partial<ProcessCard>;
  return typeof name === "string" && typeof host === "string" && typeof pid === "number";
}

function newInstance(): Instance {
  return { leased: false, links: 0, doubt: undefined, chunks: new Map() };
}
