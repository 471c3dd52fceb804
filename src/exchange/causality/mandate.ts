/**
 * What a message may cause. A message that no handler caused and nobody limited has no mandate: it
 * costs nothing, and may cause what its process allows.
 *
 *   a handler's first call ──▶ Run: its step, the hops left ── each call ──▶ Mandate of the new message
 */
import type { Address } from "../../message/address.ts";
import type { Envelope } from "../../message/envelope.ts";
import { Budget } from "./budget.ts";
import type { CausalityLimits } from "./limits.ts";
import { pathTo, type Step, stepAfter, stepAtEnd, timesOn } from "./path.ts";
import { budgetExhausted, hopLimit, loopDetected, type Refused } from "./refusals.ts";

/** The part of an option bag that bounds what a message may cause. It can lower what is inherited, never raise it. */
export interface CausalityOptions {
  /** Times that it may cause another message in turn, 0 or more. Default: as many as are left. */
  readonly hops?: number;
  /** Calls that may be made on its behalf, 0 or more. Default: half of those left; none set, no limit. */
  readonly budget?: number;
  /** It may come back to a handler that led to it, as often as hops allow. Default: false. */
  readonly reentrant?: boolean;
}

export interface Mandate {
  readonly hops: number;
  /** Undefined for no limit. */
  readonly budget: Budget | undefined;
  /** The handler that sent it, at the end of its path; undefined where no handler did. */
  readonly sender: Step | undefined;
}

/** One run of a handler that has called out. */
export interface Run {
  readonly step: Step;
  /** Forwardings left to what it sends, this one included. */
  readonly hops: number;
  readonly budget: Budget | undefined;
  /** Grows with each call that begins or ends. */
  changes: number;
}

/** A piece of work, as far as it is a cause. */
export interface Cause {
  readonly name: string;
  readonly mandate: Mandate | undefined;
  /** Made with the handler's first call. */
  run: Run | undefined;
}

export interface Call {
  /** The agent whose handler calls. */
  readonly by: string;
  readonly cause: Cause | undefined;
  readonly to: Address;
  readonly name: string;
  readonly options: CausalityOptions;
}

/** The mandate that came with a message from elsewhere. */
export function mandateOf(
  { hops, budget, path }: Envelope,
  { hopsMax }: CausalityLimits,
): Mandate | undefined {
  if (hops === undefined && budget === undefined && path === undefined) return undefined;
  const sender = path === undefined ? undefined : stepAtEnd(path);
  const left = Math.max(0, hopsMax - (sender?.depth ?? 0));
  return {
    hops: Math.min(hops ?? left, left),
    budget: budget === undefined ? undefined : new Budget(budget),
    sender,
  };
}

/**
 * Lets a call be made, and says what it may cause. Its share of the budget is taken: whoever makes
 * the call ends the share when the call has ended.
 *
 * @param target - the agent that was chosen; undefined where a mailbox is shared by several.
 * @throws HOP_LIMIT, LOOP_DETECTED or BUDGET_EXHAUSTED, before anything else is done.
 */
export function admit(
  limits: CausalityLimits,
  call: Call,
  target: string | undefined,
): Mandate | undefined {
  const { cause, options } = call;
  if (cause === undefined) return mandateAtRoot(limits, options);
  const run = runOf(limits, call.by, cause);
  if (run.hops === 0) throw hopLimit(refusedOf(call, run));
  if (target !== undefined && closesLoop(limits, call, run, target)) {
    throw loopDetected(refusedOf(call, run), limits.loopsMax);
  }
  const budget = shareOf(call, run);
  const hops = Math.min(run.hops - 1, options.hops ?? Number.POSITIVE_INFINITY);
  return { hops, budget, sender: run.step };
}

/**
 * Of those who could take a call, the ones that would close a loop.
 *
 * @throws LOOP_DETECTED when that is all of them.
 */
export function loopsAmong<Candidate extends { readonly card: { readonly id: string } }>(
  limits: CausalityLimits,
  call: Call,
  candidates: readonly Candidate[],
): ReadonlySet<Candidate> | undefined {
  const { cause } = call;
  if (cause === undefined || candidates.length === 0) return undefined;
  const run = runOf(limits, call.by, cause);
  if (run.step.depth < limits.loopsMax) return undefined;
  const closing = candidates.filter(({ card }) => closesLoop(limits, call, run, card.id));
  if (closing.length === candidates.length) {
    throw loopDetected(refusedOf(call, run), limits.loopsMax);
  }
  return closing.length === 0 ? undefined : new Set(closing);
}

/** What a handler has in common for all that it sends; made with the first. */
export function runOf({ hopsMax }: CausalityLimits, agent: string, work: Cause): Run {
  if (work.run !== undefined) return work.run;
  const { mandate, name } = work;
  const run: Run = {
    step: stepAfter(mandate?.sender, agent, name),
    hops: mandate?.hops ?? hopsMax,
    budget: mandate?.budget,
    changes: 0,
  };
  work.run = run;
  return run;
}

function mandateAtRoot(
  { hopsMax }: CausalityLimits,
  { hops, budget }: CausalityOptions,
): Mandate | undefined {
  if (hops === undefined && budget === undefined) return undefined;
  return {
    hops: Math.min(hops ?? hopsMax, hopsMax),
    budget: budget === undefined ? undefined : new Budget(budget),
    sender: undefined,
  };
}

function closesLoop({ loopsMax }: CausalityLimits, call: Call, run: Run, target: string): boolean {
  if (call.options.reentrant === true || run.step.depth < loopsMax) return false;
  return timesOn(run.step, target, call.name) >= loopsMax;
}

function shareOf(call: Call, run: Run): Budget | undefined {
  const { budget } = call.options;
  if (run.budget === undefined) return budget === undefined ? undefined : new Budget(budget);
  const share = run.budget.lend(budget);
  if (share === undefined) throw budgetExhausted(refusedOf(call, run));
  return share;
}

function refusedOf({ name, to }: Call, { step }: Run): Refused {
  return { name, to, path: pathTo(step) };
}
