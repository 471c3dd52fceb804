/** How one agent is chosen among several that could take a request. */
import type { Candidate } from "./candidate.ts";

/**
 * - "least-busy": the lowest share of its capacity in use, in turn among equals.
 * - "round-robin": in turn.
 * - "weighted": in turn, each as often as its weight says.
 * - "fastest": the shortest average response time; one that has none yet comes first.
 */
export type Strategy = "least-busy" | "round-robin" | "weighted" | "fastest";

export const strategies: readonly Strategy[] = ["least-busy", "round-robin", "weighted", "fastest"];

/** @param turn - counts up with every choice made for one address. */
export type Choose = (eligible: readonly Candidate[], turn: number) => Candidate;

export const chooseBy: Readonly<Record<Strategy, Choose>> = {
  "round-robin": (eligible, turn) => eligible[turn % eligible.length] as Candidate,
  "least-busy": (eligible, turn) => lowest(eligible, turn, (it) => it.load / it.card.capacity),
  fastest: (eligible, turn) => lowest(eligible, turn, (it) => it.responseMs),
  weighted: smoothWeighted,
};

/** Starts at another candidate each turn, so that equals take turns. */
function lowest(
  eligible: readonly Candidate[],
  turn: number,
  cost: (candidate: Candidate) => number,
): Candidate {
  let best = eligible[turn % eligible.length] as Candidate;
  let bestCost = cost(best);
  for (let step = 1; step < eligible.length; step++) {
    const candidate = eligible[(turn + step) % eligible.length] as Candidate;
    const candidateCost = cost(candidate);
    if (candidateCost >= bestCost) continue;
    best = candidate;
    bestCost = candidateCost;
  }
  return best;
}

/** Spreads a heavy candidate's turns out instead of bunching them. @see nginx, smooth weighted round-robin balancing, 2012. */
function smoothWeighted(eligible: readonly Candidate[]): Candidate {
  let total = 0;
  let best: Candidate | undefined;
  for (const candidate of eligible) {
    candidate.turn += candidate.card.weight;
    total += candidate.card.weight;
    if (best === undefined || candidate.turn > best.turn) best = candidate;
  }
  const chosen = best as Candidate;
  chosen.turn -= total;
  return chosen;
}
