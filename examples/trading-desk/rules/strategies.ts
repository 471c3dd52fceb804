/**
 * What the market will do next, in three opinions. Each looks at past closing prices and at nothing
 * else, so the same history always gives the same view.
 */
import type { Advice, Order, Question, Tick } from "../protocol.ts";
import { closesNeeded } from "./risk.ts";
import { deviation, mean } from "./statistics.ts";

/** 1 expects the price to rise, -1 to fall, 0 neither. */
export type View = Question["view"];

export interface Strategy {
  readonly name: string;
  /** Trading days it must have seen before it has a view. */
  readonly daysNeeded: number;
  /** @param closesCents - the latest `daysNeeded` closing prices, oldest first. */
  view(closesCents: readonly number[]): View;
}

/** Follows the direction: the last month's average against that of the last five. */
const trend: Strategy = {
  name: "trend",
  daysNeeded: 100,
  view: (closes) => signOf(mean(closes.slice(-20)) - mean(closes)),
};

/** Expects a price that strayed more than a standard deviation from its average to come back. */
const reversion: Strategy = {
  name: "reversion",
  daysNeeded: 20,
  view: (closes) => {
    const strayed = last(closes) - mean(closes);
    return Math.abs(strayed) > deviation(closes) ? signOf(-strayed) : 0;
  },
};

/** Goes with a price in the top or bottom fifth of where it has been lately. */
const breakout: Strategy = {
  name: "breakout",
  daysNeeded: 55,
  view: (closes) => {
    const lowest = Math.min(...closes);
    const height = (last(closes) - lowest) / (Math.max(...closes) - lowest);
    return height > 0.8 ? 1 : height < 0.2 ? -1 : 0;
  },
};

export const strategies: readonly Strategy[] = [trend, reversion, breakout];

/** What to ask a risk agent at the end of a day; undefined until `strategy` has seen enough. */
export function questionFor(
  strategy: Strategy,
  closesCents: readonly number[],
  shares: number,
): Question | undefined {
  if (closesCents.length < Math.max(strategy.daysNeeded, closesNeeded)) return undefined;
  const view = strategy.view(closesCents.slice(-strategy.daysNeeded));
  return { strategy: strategy.name, view, shares, closesCents: closesCents.slice(-closesNeeded) };
}

/** The order that follows `advice`, if any. Its id is the same whoever makes it, and when. */
export function orderFor(
  strategy: Strategy,
  { day, bar }: Tick,
  advice: Advice,
): Order | undefined {
  if (advice.trade === 0) return undefined;
  const id = `${strategy.name}-${String(day).padStart(4, "0")}`;
  return { id, strategy: strategy.name, day, shares: advice.trade, bar };
}

function signOf(value: number): View {
  return value > 0 ? 1 : value < 0 ? -1 : 0;
}

function last(values: readonly number[]): number {
  return values.at(-1) ?? Number.NaN;
}
