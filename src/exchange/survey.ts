/**
 * What goes on in each process. Nothing is told unless somebody asks; whoever is asked answers from
 * what it has counted anyway.
 */
import type { Sender } from "../message/envelope.ts";
import type { Message } from "../message/message.ts";
import { decodePayload } from "../message/payload.ts";
import { withAbort } from "../runtime/abort.ts";
import type { Timer } from "../runtime/clock.ts";
import type { ActivityFigures } from "./activity.ts";
import { sendControl } from "./requests/control.ts";
import { type Counters, newCounters, type Site } from "./site.ts";
import type { LocalAgent } from "./work.ts";

/** What the handlers of an agent have done, and do. */
export interface AgentActivity extends ActivityFigures {
  readonly id: string;
  /** Handlers running and work waiting for one. */
  readonly load: number;
}

/** What goes on in one process. */
export interface ProcessActivity {
  /** Its life: `AgentInfo.instance`. */
  readonly instance: string;
  /** Milliseconds since it joined, by its own clock: between two answers, what rates are counted by. */
  readonly joinedForMs: number;
  /** Since it joined. */
  readonly counters: Readonly<Counters>;
  /** Those of its agents that have ever handled anything; of very many, the 1,000 that have most. */
  readonly agents: readonly AgentActivity[];
}

interface Asked {
  readonly instance: string;
  readonly tell: (answer: ProcessActivity | undefined) => void;
  readonly timer: Timer;
}

const agentsMax = 1_000;

export class Survey {
  readonly #site: Site;
  readonly #agents: () => Iterable<LocalAgent>;
  readonly #joinedMs: number;
  readonly #open = new Map<string, Asked>();

  constructor(site: Site, agents: () => Iterable<LocalAgent>) {
    this.#site = site;
    this.#agents = agents;
    this.#joinedMs = site.clock.monotonicMs();
  }

  /** What those processes say that answer in time; this one, too, if it is among them. */
  async ask(
    instances: Iterable<string>,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly ProcessActivity[]> {
    const asked = [...instances].map((instance) =>
      instance === this.#site.instance ? this.#own : this.#askOne(instance, timeoutMs),
    );
    const answers = await withAbort(Promise.all(asked), signal);
    return answers.filter((answer) => answer !== undefined);
  }

  onQuestion({ envelope }: Message): void {
    const { agent, instance } = envelope.from;
    sendControl(this.#site, {
      name: "surveyed",
      from: this.#self,
      to: agent,
      topic: this.#site.space.inbox(instance),
      correlationId: envelope.correlationId ?? "",
      data: this.#own,
    });
  }

  onAnswer({ envelope, payload }: Message): void {
    const asked = this.#open.get(envelope.correlationId ?? "");
    if (asked?.instance !== envelope.from.instance) return;
    asked.tell(readActivity(asked.instance, decodePayload(payload)));
  }

  close(): void {
    for (const { tell } of this.#open.values()) tell(undefined);
  }

  #askOne(instance: string, timeoutMs: number): Promise<ProcessActivity | undefined> {
    const { newId, clock, space } = this.#site;
    const correlationId = newId();
    return new Promise((resolve) => {
      const tell: Asked["tell"] = (answer) => {
        this.#open.get(correlationId)?.timer.cancel();
        this.#open.delete(correlationId);
        resolve(answer);
      };
      const silent = () => tell(undefined);
      this.#open.set(correlationId, { instance, tell, timer: clock.setTimer(timeoutMs, silent) });
      sendControl(this.#site, {
        name: "survey",
        from: this.#self,
        to: "network",
        topic: space.inbox(instance),
        correlationId,
        replyTo: space.inbox(this.#site.instance),
        onUnheard: silent,
      });
    });
  }

  get #self(): Sender {
    return { agent: "network", type: "network", instance: this.#site.instance };
  }

  get #own(): ProcessActivity {
    const agents: AgentActivity[] = [];
    for (const { id, running, queued, activity } of this.#agents()) {
      const load = running + queued;
      if (load + activity.handled + activity.failed > 0) agents.push({ id, load, ...activity });
    }
    agents.sort((a, b) => b.handled + b.failed - a.handled - a.failed);
    const { clock, counters, instance } = this.#site;
    return {
      instance,
      joinedForMs: clock.monotonicMs() - this.#joinedMs,
      counters: { ...counters },
      agents: agents.slice(0, agentsMax),
    };
  }
}

/** @returns undefined for what is no such thing. */
function readActivity(instance: string, data: unknown): ProcessActivity | undefined {
  const { joinedForMs, counters, agents } = objectOf(data);
  if (!isCount(joinedForMs) || !Array.isArray(agents)) return undefined;
  const given = objectOf(counters);
  const known = newCounters();
  for (const name of Object.keys(known) as (keyof Counters)[]) known[name] = count(given[name]);
  const read = agents.slice(0, agentsMax).map(readAgent);
  return { instance, joinedForMs, counters: known, agents: read };
}

function readAgent(data: unknown): AgentActivity {
  const { id, load, handled, failed, averageMs, p50Ms, p99Ms } = objectOf(data);
  return {
    id: String(id),
    load: count(load),
    handled: count(handled),
    failed: count(failed),
    averageMs: isCount(averageMs) ? averageMs : undefined,
    p50Ms: isCount(p50Ms) ? p50Ms : undefined,
    p99Ms: isCount(p99Ms) ? p99Ms : undefined,
  };
}

function objectOf(data: unknown): Readonly<Record<string, unknown>> {
  return typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function count(value: unknown): number {
  return isCount(value) ? value : 0;
}
