/**
 * Finds requests that can never start, because all handlers of their agent wait, by whatever way, for
 * them. It costs nothing until a handler's request is queued at an agent that is full; then:
 *
 *   watch ── after a while, still queued ──▶ follow what the agent's handlers wait for, here
 *     ▲                                          │ something can go on
 *     └──────────── later, less often ◀──────────┤
 *                                                │ all blocked; some of it in other processes
 *                                                ▼
 *                 ask those, and those that they name, until something can go on or all is known
 *                                                │ all blocked
 *                                                ▼
 *                 ask everybody again: unchanged? ──▶ refuse the youngest queued, if it is here and all wait for it
 *
 * Answers of different moments alone could add up to a deadlock that never was. What was so when it was
 * first asked for, and has not changed when it is asked for again, was so all at once in between; and a
 * deadlock stays.
 */
import type { Message } from "../../message/message.ts";
import type { Timer } from "../../runtime/clock.ts";
import type { Site } from "../site.ts";
import type { LocalAgent } from "../work.ts";
import { Callers, LocalWaits, type WorkHere } from "./local-waits.ts";
import { Probes } from "./probes.ts";
import { deadlock } from "./refusals.ts";
import {
  type BlockedWork,
  cycleOf,
  isKnot,
  keyOf,
  stillHolds,
  unknownIn,
  victimIn,
  type WaitGraph,
  type WorkReference,
} from "./waits.ts";

/** Handlers that call without waiting have ended by then, most of them. */
const firstCheckMs = 100;
const lastCheckMs = 1_600;

interface Watch {
  readonly agent: LocalAgent;
  timer: Timer | undefined;
  delayMs: number;
}

/** Everything that was found to be blocked, and what was asked for that. */
interface Found {
  readonly graph: WaitGraph;
  readonly here: LocalWaits;
  /** Ids of requests asked for, by process. */
  readonly asked: ReadonlyMap<string, ReadonlySet<string>>;
}

export class Deadlocks {
  readonly callers: Callers = new Callers();
  readonly #site: Site;
  readonly #here: WorkHere;
  readonly #probes: Probes;
  readonly #watches = new Map<LocalAgent, Watch>();

  constructor(site: Site, here: Pick<WorkHere, "agentAt" | "requestOf">) {
    this.#site = site;
    this.#here = { instance: site.instance, ...here };
    this.#probes = new Probes(site);
  }

  /** A request that a handler made waits for a free handler of `agent`. */
  watch(agent: LocalAgent): void {
    const known = this.#watches.get(agent);
    if (known !== undefined) return;
    const watch: Watch = { agent, timer: undefined, delayMs: firstCheckMs };
    this.#watches.set(agent, watch);
    this.#arm(watch);
  }

  onQuestion(message: Message): void {
    this.#probes.onQuestion(message, new LocalWaits(this.#here, this.callers));
  }

  onAnswer(message: Message): void {
    this.#probes.onAnswer(message);
  }

  close(): void {
    for (const { timer } of this.#watches.values()) timer?.cancel();
    this.#watches.clear();
    this.#probes.close();
  }

  #arm(watch: Watch): void {
    watch.timer = this.#site.clock.setTimer(watch.delayMs, () => {
      void this.#look(watch);
    });
  }

  /** A check that fails is reported, and made again like one that found nothing. */
  async #checked(agent: LocalAgent): Promise<boolean> {
    try {
      return await this.#check(agent);
    } catch (error) {
      this.#site.onError(error, `the deadlock check of ${agent.id}`);
      return false;
    }
  }

  async #look(watch: Watch): Promise<void> {
    const { agent } = watch;
    watch.timer = undefined;
    const refused = agent.queued > 0 && (await this.#checked(agent));
    if (this.#watches.get(agent) !== watch) return;
    if (agent.queued === 0) {
      this.#watches.delete(agent);
      return;
    }
    watch.delayMs = refused ? firstCheckMs : Math.min(2 * watch.delayMs, lastCheckMs);
    this.#arm(watch);
  }

  /** @returns true when a request was refused. */
  async #check(agent: LocalAgent): Promise<boolean> {
    const callers = this.callers.of(agent.id);
    if (agent.running < agent.capacity || callers.size < agent.running) return false;
    const found = await this.#gather(agent);
    if (found === undefined) return false;
    const victim = victimIn(found.graph);
    if (victim?.agent !== agent.id || victim.instance !== this.#here.instance) return false;
    const cycle = isKnot(found.graph, victim) ? cycleOf(found.graph, victim) : undefined;
    if (cycle === undefined) return false;
    if (found.asked.size > 0 && !(await this.#confirm(agent, found))) return false;
    const work = found.here.works.get(keyOf(victim));
    if (work?.outcome !== "not-started") return false;
    work.fail(deadlock(victim.name, cycle));
    return true;
  }

  /** @returns undefined when something of it can go on, or nobody knows. */
  async #gather(agent: LocalAgent): Promise<Found | undefined> {
    const here = new LocalWaits(this.#here, this.callers);
    if (!here.follow(this.callers.of(agent.id))) return undefined;
    const graph = new Map<string, BlockedWork>(here.blocked);
    const asked = new Map<string, Set<string>>();
    for (let unknown = unknownIn(graph); unknown.length > 0; unknown = unknownIn(graph)) {
      const news = await Promise.all(
        [...byInstance(unknown)].map(([instance, ids]) => {
          const before = asked.get(instance) ?? new Set();
          // Whoever names work that its process does not report is wrong: it is not there any more.
          if (ids.some((id) => before.has(id))) return undefined;
          asked.set(instance, new Set([...before, ...ids]));
          return this.#ask(agent, here, instance, ids);
        }),
      );
      for (const works of news) {
        if (works === undefined) return undefined;
        for (const work of works) graph.set(keyOf(work), work);
      }
    }
    return { graph, here, asked };
  }

  #ask(
    agent: LocalAgent,
    here: LocalWaits,
    instance: string,
    ids: readonly string[],
  ): Promise<readonly BlockedWork[] | undefined> {
    if (instance !== this.#here.instance) return this.#probes.ask(agent, instance, ids);
    return Promise.resolve(here.followRequests(ids) ? [...here.blocked.values()] : undefined);
  }

  async #confirm(agent: LocalAgent, { graph, asked }: Found): Promise<boolean> {
    const again = new Map<string, BlockedWork>();
    const here = new LocalWaits(this.#here, this.callers);
    const answers = await Promise.all(
      [...asked].map(([instance, ids]) =>
        instance === this.#here.instance ? [] : this.#ask(agent, here, instance, [...ids]),
      ),
    );
    // This process last, so that nothing can have changed here when it is acted upon.
    const own = asked.get(this.#here.instance) ?? [];
    if (!here.follow(this.callers.of(agent.id)) || !here.followRequests(own)) return false;
    for (const works of [...answers, [...here.blocked.values()]]) {
      if (works === undefined) return false;
      for (const work of works) again.set(keyOf(work), work);
    }
    return stillHolds(graph, again);
  }
}

function byInstance(references: readonly WorkReference[]): ReadonlyMap<string, readonly string[]> {
  const ids = new Map<string, string[]>();
  for (const { instance, id } of references) {
    const known = ids.get(instance);
    if (known === undefined) ids.set(instance, [id]);
    else known.push(id);
  }
  return ids;
}
