/**
 * On whose behalf a message is sent: the handlers that led to it, the latest first. Each step points
 * to the one before, so that whatever a handler sends shares its past, and a call costs no copy.
 */
import type { Ancestor } from "../../message/envelope.ts";

export interface Step extends Ancestor {
  readonly before: Step | undefined;
  /** Steps up to and including this one. */
  readonly depth: number;
}

export function stepAfter(before: Step | undefined, agent: string, name: string): Step {
  return { agent, name, before, depth: (before?.depth ?? 0) + 1 };
}

/** The last step of a path that came with a message, oldest first. */
export function stepAtEnd(path: readonly Ancestor[]): Step | undefined {
  let last: Step | undefined;
  for (const { agent, name } of path) last = stepAfter(last, agent, name);
  return last;
}

/** The path that ends with `last`, oldest first. */
export function pathTo(last: Step | undefined): readonly Ancestor[] {
  const path: Ancestor[] = [];
  for (let step = last; step !== undefined; step = step.before) {
    path.push({ agent: step.agent, name: step.name });
  }
  return path.reverse();
}

/** How often this method of this agent is on the path that ends with `last`. */
export function timesOn(last: Step | undefined, agent: string, name: string): number {
  let times = 0;
  for (let step = last; step !== undefined; step = step.before) {
    if (step.name === name && step.agent === agent) times++;
  }
  return times;
}

/** Agents named at each end of a path that is too long to be read. */
const namedMax = 8;

/** "analyst-1 → risk-2 → analyst-1", for people and models; an agent that follows itself is named once. */
export function pathText(path: readonly { readonly agent: string }[]): string {
  const agents = path.map(({ agent }) => agent);
  const turns = agents.filter((agent, index) => agent !== agents[index - 1]);
  const left = turns.length - 2 * namedMax;
  if (left > 0) turns.splice(namedMax, left, `(${left} more)`);
  return turns.join(" → ");
}
