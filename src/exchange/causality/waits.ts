/**
 * Who waits for whom, and what that means. A piece of work is blocked when it cannot go on by itself:
 *
 *   queued    its agent is full:     any one of the handlers that run there would have to end
 *   running   its handler calls out: any one of its calls would have to be answered
 *
 * This is the OR model: one way out is enough, so a handler that waits for several calls is taken to
 * go on with the first. What is blocked, and leads to nothing but blocked work, stays so for good,
 * apart from timeouts: that is a deadlock. A handler that has no call under way can always go on.
 *
 * @see K. M. Chandy, J. Misra, L. M. Haas, "Distributed Deadlock Detection", 1983: the communication model.
 */
import { isId } from "../../message/address.ts";

/** A piece of work, wherever it is. */
export interface WorkReference {
  /** The process where it is handled. */
  readonly instance: string;
  readonly agent: string;
  /** Of its message. */
  readonly id: string;
}

export interface BlockedWork extends WorkReference {
  readonly name: string;
  readonly queued: boolean;
  /** Grows with whatever its handler begins or ends to wait for. */
  readonly changes: number;
  /** What would have to end, any one of it; never empty. */
  readonly on: readonly WorkReference[];
}

export type WaitGraph = ReadonlyMap<string, BlockedWork>;

export function keyOf({ instance, agent, id }: WorkReference): string {
  return `${instance} ${agent} ${id}`;
}

/** What the works of a graph wait for and the graph does not have: it is not known yet whether that can go on. */
export function unknownIn(graph: WaitGraph): readonly WorkReference[] {
  const unknown = new Map<string, WorkReference>();
  for (const { on } of graph.values()) {
    for (const it of on) if (!graph.has(keyOf(it))) unknown.set(keyOf(it), it);
  }
  return [...unknown.values()];
}

/**
 * Of a graph that is complete, so that all in it is deadlocked: the queued work that is refused. All who
 * look at the same knot choose the same, the youngest.
 */
export function victimIn(graph: WaitGraph): BlockedWork | undefined {
  let victim: BlockedWork | undefined;
  for (const work of graph.values()) {
    if (!work.queued) continue;
    if (victim === undefined || work.id > victim.id) victim = work;
  }
  return victim;
}

/**
 * True when all of a graph waits for `victim` in turn: it is one knot. Otherwise there is another knot
 * behind it that comes undone first, and may free this one.
 */
export function isKnot(graph: WaitGraph, victim: BlockedWork): boolean {
  const waiting = new Map<string, BlockedWork[]>();
  for (const work of graph.values()) {
    for (const it of work.on) {
      const key = keyOf(it);
      const known = waiting.get(key);
      if (known === undefined) waiting.set(key, [work]);
      else known.push(work);
    }
  }
  const reached = new Set([victim]);
  for (const work of reached) for (const it of waiting.get(keyOf(work)) ?? []) reached.add(it);
  return reached.size === graph.size;
}

/** The shortest way from what holds up `victim` back to it: the cycle that it closes. */
export function cycleOf(graph: WaitGraph, victim: BlockedWork): readonly BlockedWork[] | undefined {
  const cameFrom = new Map<BlockedWork, BlockedWork | undefined>();
  const queue = worksAt(graph, victim.on);
  for (const work of queue) cameFrom.set(work, undefined);
  for (const work of queue) {
    if (work === victim) return wayTo(work, cameFrom);
    for (const next of worksAt(graph, work.on)) {
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, work);
      queue.push(next);
    }
  }
  return undefined;
}

/** True when nothing that `before` says has changed: then all of it held at one time in between. */
export function stillHolds(before: WaitGraph, now: WaitGraph): boolean {
  for (const [key, work] of before) {
    const same = now.get(key);
    if (same === undefined || same.changes !== work.changes || same.queued !== work.queued)
      return false;
    const on = new Set(same.on.map(keyOf));
    if (on.size !== work.on.length || !work.on.every((it) => on.has(keyOf(it)))) return false;
  }
  return true;
}

/** Blocked work as another process tells it; undefined when it is none. */
export function readBlocked(value: unknown): BlockedWork | undefined {
  if (!isReference(value)) return undefined;
  const { name, queued, changes, on } = value as WorkReference & Readonly<Record<string, unknown>>;
  if (typeof name !== "string" || typeof queued !== "boolean") return undefined;
  if (typeof changes !== "number" || !Array.isArray(on) || on.length === 0) return undefined;
  if (!on.every(isReference)) return undefined;
  return value as unknown as BlockedWork;
}

function isReference(value: unknown): value is WorkReference {
  if (typeof value !== "object" || value === null) return false;
  const { instance, agent, id } = value as Readonly<Record<string, unknown>>;
  return isId(instance) && isId(agent) && isId(id);
}

function worksAt(graph: WaitGraph, references: readonly WorkReference[]): BlockedWork[] {
  return references.flatMap((it) => graph.get(keyOf(it)) ?? []);
}

function wayTo(
  last: BlockedWork,
  cameFrom: ReadonlyMap<BlockedWork, BlockedWork | undefined>,
): readonly BlockedWork[] {
  const way: BlockedWork[] = [];
  for (let work: BlockedWork | undefined = last; work !== undefined; work = cameFrom.get(work)) {
    way.push(work);
  }
  return way.reverse();
}
