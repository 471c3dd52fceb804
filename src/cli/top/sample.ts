/** What `colloquy top` looks at, and what two looks one after the other make of it. */
import type { Counters } from "../../exchange/site.ts";
import type { AgentActivity, ProcessActivity } from "../../exchange/survey.ts";
import type { MailboxInfo } from "../../network/mailboxes.ts";
import type { Network } from "../../network/network.ts";
import type { AgentInfo } from "../../routing/card.ts";

/** One look at the whole fabric. */
export interface Sample {
  /** Wall clock. */
  readonly atMs: number;
  readonly status: string;
  readonly agents: readonly AgentInfo[];
  readonly processes: readonly ProcessActivity[];
  readonly mailboxes: readonly MailboxInfo[];
  readonly dead: number;
  /** There may be more dead letters. */
  readonly deadMore: boolean;
}

export interface TopAgent extends AgentInfo, Omit<AgentActivity, "id" | "load"> {
  /** Handlers that ended in a second, between the two looks; undefined where one of them has no answer. */
  readonly perSecond: number | undefined;
  readonly failedPerSecond: number | undefined;
}

/** As counted by all processes that have agents. */
export interface TopRates {
  readonly requests: number;
  readonly streams: number;
  readonly commands: number;
  readonly published: number;
  readonly started: number;
}

/** What is shown: the latest look, and what became of it since the one before, by the second. */
export interface TopFrame extends Omit<Sample, "agents" | "processes"> {
  /** Of those with agents. */
  readonly processes: number;
  /** Those that did not answer. */
  readonly silent: number;
  readonly rates: TopRates;
  /** The busiest first. */
  readonly agents: readonly TopAgent[];
}

const deadMax = 1_000;

export async function look(
  net: Network,
  nowMs: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Sample> {
  const [processes, mailboxes, dead] = await Promise.all([
    net.activity({ timeoutMs, signal }),
    net.mailboxes.list(),
    deadLetters(net, signal),
  ]);
  const agents = net.agents();
  const { kind: status } = net.status;
  return { atMs: nowMs, status, agents, processes, mailboxes, dead, deadMore: dead === deadMax };
}

async function deadLetters(net: Network, signal: AbortSignal): Promise<number> {
  let dead = 0;
  for await (const _ of net.dead.list({ limit: deadMax, signal })) dead++;
  return dead;
}

/** @param before - an earlier look; without one there are no rates. */
export function frameOf(now: Sample, before: Sample | undefined): TopFrame {
  const previous = new Map(before?.processes.map((it) => [it.instance, it]));
  const current = new Map(now.processes.map((it) => [it.instance, it]));
  const agents = now.agents.map((agent) =>
    agentOf(agent, current.get(agent.instance), previous.get(agent.instance)),
  );
  const instances = new Set(now.agents.map(({ instance }) => instance));
  const { atMs, status, dead, deadMore } = now;
  return {
    atMs,
    status,
    dead,
    deadMore,
    processes: instances.size,
    silent: [...instances].filter((it) => !current.has(it)).length,
    rates: ratesOf(now.processes, previous),
    agents: agents.toSorted(busiestFirst),
    mailboxes: now.mailboxes.toSorted(fullestFirst),
  };
}

function agentOf(
  agent: AgentInfo,
  now: ProcessActivity | undefined,
  before: ProcessActivity | undefined,
): TopAgent {
  const nothing = { id: agent.id, load: agent.load, handled: 0, failed: 0 };
  const unknown = { averageMs: undefined, p50Ms: undefined, p99Ms: undefined };
  const of = (process: ProcessActivity | undefined): AgentActivity | undefined =>
    process && (process.agents.find(({ id }) => id === agent.id) ?? { ...nothing, ...unknown });
  const present = of(now);
  const past = of(before);
  const seconds = secondsBetween(before, now);
  const rate = (count: (of: AgentActivity) => number) =>
    present === undefined || past === undefined || seconds === undefined
      ? undefined
      : (count(present) - count(past)) / seconds;
  return {
    ...agent,
    ...unknown,
    ...(present ?? nothing),
    perSecond: rate(({ handled, failed }) => handled + failed),
    failedPerSecond: rate(({ failed }) => failed),
  };
}

function ratesOf(
  processes: readonly ProcessActivity[],
  previous: ReadonlyMap<string, ProcessActivity>,
): TopRates {
  const rates = { requests: 0, streams: 0, commands: 0, published: 0, started: 0 };
  for (const now of processes) {
    const before = previous.get(now.instance);
    const seconds = secondsBetween(before, now);
    if (before === undefined || seconds === undefined) continue;
    for (const name of Object.keys(rates) as (keyof TopRates & keyof Counters)[]) {
      rates[name] += (now.counters[name] - before.counters[name]) / seconds;
    }
  }
  return rates;
}

function secondsBetween(
  before: ProcessActivity | undefined,
  now: ProcessActivity | undefined,
): number | undefined {
  if (before === undefined || now === undefined) return undefined;
  const seconds = (now.joinedForMs - before.joinedForMs) / 1_000;
  return seconds > 0 ? seconds : undefined;
}

function busiestFirst(a: TopAgent, b: TopAgent): number {
  const [x, y] = [a, b].map(({ perSecond = 0, load }) => perSecond + load);
  return (y ?? 0) - (x ?? 0) || b.handled - a.handled || (a.id < b.id ? -1 : 1);
}

function fullestFirst(a: MailboxInfo, b: MailboxInfo): number {
  return b.waiting - a.waiting || (a.address < b.address ? -1 : 1);
}
