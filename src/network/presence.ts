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
import { type Lease, OtherInstances } from "./other-instances.ts";

export const leaseMs = 5_000;
const renewMs = 1_500;
const cardsMs = 600_000;
const rewriteMs = 180_000;
/** Renewals that may wait for their answer. */
const renewalsMax = 16;
const cardsPerChunk = 256;
/** Of cards in one write to the store; one chunk alone may have more. */
const writeBytesMax = 1_048_576;

/** An agent of this process, as presence shows it. */
export interface PresentAgent {
  readonly card: AgentCard;
  readonly load: number;
}

type EntryChange = Exclude<StoreChange, { kind: "reset" }>;

export class Presence<Shown extends PresentAgent = PresentAgent> {
  readonly #site: Site;
  readonly #store: Store;
  readonly #agents: (Shown | undefined)[] = [];
  /** By agent id: where in `#agents`. */
  readonly #places = new Map<string, number>();
  readonly #free: number[] = [];
  readonly #changed = new Set<number>();
  readonly #others: OtherInstances;
  /** By chunk of cards: the revision of this process's last write. */
  readonly #written = new Map<number, number>();
  /** By chunk of cards: the revision that was told of since; Infinity where it was deleted. */
  readonly #heard = new Map<number, number>();
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
    this.#others = new OtherInstances(site.registry, site.clock, leaseMs);
    this.#prefix = site.space.presenceKey("");
  }

  /** Shows this process and learns who else is there. */
  async open(signal: AbortSignal): Promise<void> {
    this.#markAll();
    await this.#renew();
    const learn = (changes: readonly StoreChange[]) => this.#learn(changes);
    await this.#store.watch(this.#prefix, learn, signal, (error) => this.#fail(error));
  }

  /** The agent of this process that is shown under that id. */
  agent(id: string): Shown | undefined {
    const place = this.#places.get(id);
    return place === undefined ? undefined : this.#agents[place];
  }

  /** Those of this process. */
  agents(): readonly Shown[] {
    return this.#agents.filter((agent) => agent !== undefined);
  }

  /** Shows the agent, or its changed card; resolves when the others can see it. */
  show(agent: Shown): Promise<void> {
    const { card } = agent;
    let place = this.#places.get(card.id);
    if (place === undefined) {
      place = this.#free.pop() ?? this.#agents.length;
      this.#places.set(card.id, place);
      this.#agents[place] = agent;
    }
    this.#site.registry.set(this.#site.instance, card).local = agent;
    return this.#mark(place);
  }

  /** Resolves when the others no longer see it. */
  async hide({ card: { id } }: Shown): Promise<void> {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    this.#agents[place] = undefined;
    this.#free.push(place);
    this.#site.registry.remove(this.#site.instance, id);
    await this.#mark(place);
  }

  /** After the broker came back: its volatile entries are gone. */
  async restore(): Promise<void> {
    // Who has said goodbye while the broker was away is not there again.
    if (this.#closed) return;
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
    this.#others.close();
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
    for (const agent of this.#agents) {
      if (agent !== undefined && agent.load > 0) loads[agent.card.id] = agent.load;
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
    this.#flushing ??= this.#write();
    return this.#flushing;
  }

  async #write(): Promise<void> {
    await new Promise<void>((resolve) => this.#site.clock.defer(resolve));
    try {
      while (this.#changed.size > 0 && !this.#closed && (await this.#writeSome()));
    } finally {
      // In the turn of the last look: what changes from here on needs a flush of its own.
      this.#flushing = undefined;
      this.#mend();
    }
  }

  /** @returns false when nobody knows what became of it: it is written again later. */
  async #writeSome(): Promise<boolean> {
    const { chunks: changed, writes } = this.#nextWrites();
    let outcome: StorePutOutcome | undefined;
    try {
      outcome = await this.#store.put(writes);
    } finally {
      // With the next renewal, or when the broker is back.
      if (outcome?.kind !== "stored") for (const chunk of changed) this.#changed.add(chunk);
    }
    if (outcome.kind === "rejected") throw errorFromInfo(outcome.error);
    if (outcome.kind !== "stored") return false;
    for (const [index, chunk] of changed.entries()) {
      this.#written.set(chunk, outcome.revisions[index] as number);
    }
    return true;
  }

  /** Of some of the changed chunks, which count as unchanged from now on. */
  #nextWrites(): { readonly chunks: readonly number[]; readonly writes: readonly StoreWrite[] } {
    const chunks: number[] = [];
    const writes: StoreWrite[] = [];
    let bytes = 0;
    for (const chunk of this.#changed) {
      const write = this.#writeOf(chunk);
      bytes += write.value?.length ?? 0;
      if (writes.length > 0 && bytes > writeBytesMax) break;
      chunks.push(chunk);
      writes.push(write);
      this.#changed.delete(chunk);
    }
    return { chunks, writes };
  }

  #writeOf(chunk: number): StoreWrite {
    const key = this.#own(`cards/${chunk}`);
    const cards = this.#agentsOf(chunk).map(({ card }) => card);
    if (cards.length === 0) return { key, volatile: true };
    return { key, value: packValue(cards), ttlMs: cardsMs, volatile: true, bound: true };
  }

  #agentsOf(chunk: number): readonly Shown[] {
    return this.#agents
      .slice(chunk * cardsPerChunk, (chunk + 1) * cardsPerChunk)
      .filter((agent) => agent !== undefined);
  }

  #learn(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      if (change.kind === "reset") this.#others.doubt();
      else {
        const [instance = "", part = "", chunk = ""] = change.key
          .slice(this.#prefix.length)
          .split("/");
        if (instance !== this.#site.instance) this.#learnOther(change, instance, part, chunk);
        else if (part === "cards") this.#learnOwn(change, Number(chunk));
      }
    }
  }

  /** What nobody can read changes nothing: its process will write it again. */
  #learnOther(change: EntryChange, instance: string, part: string, chunk: string): void {
    try {
      const value = change.kind === "put" ? unpackValue(change.value) : undefined;
      if (part === "lease") this.#others.learnLease(instance, value);
      else this.#others.learnCards(instance, chunk, value);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** What somebody else has written over this process's cards, or taken away, is written again. */
  #learnOwn(change: EntryChange, chunk: number): void {
    if (change.kind === "put") this.#heard.set(chunk, change.revision);
    else if (this.#agentsOf(chunk).length > 0) this.#heard.set(chunk, Number.POSITIVE_INFINITY);
    // A write under way may be the one that is told of.
    if (this.#flushing === undefined) this.#mend();
  }

  #mend(): void {
    const damaged = [...this.#heard].filter(([chunk, heard]) => {
      const written = this.#written.get(chunk);
      return written !== undefined && heard > written;
    });
    this.#heard.clear();
    if (damaged.length === 0) return;
    for (const [chunk] of damaged) this.#changed.add(chunk);
    this.#flush().catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (!this.#closed) this.#site.onError(error, "presence");
  }
}
