/**
 * How much to trade on a view. The question carries all that the answer depends on, so any risk
 * agent gives the same answer, however often it is asked.
 */
import type { Advice, Question } from "../protocol.ts";
import { deviation } from "./statistics.ts";

/** Closing prices that a question carries: a month of daily returns. */
export const closesNeeded = 21;

/** What a position may gain or lose on an ordinary day: $10,000. */
const dailyRiskCents = 1_000_000;
/** What a position may be worth: $1,500,000. */
const exposureCentsMax = 150_000_000;
/** Trading less than a tenth of the wanted position is not worth its fee. */
const worthwhile = 0.1;

export function assess({ view, shares, closesCents }: Question): Advice {
  const wanted = view * sharesMax(closesCents);
  const trade = wanted - shares;
  const changesSide = Math.sign(wanted) !== Math.sign(shares);
  return { trade: changesSide || Math.abs(trade) > worthwhile * Math.abs(wanted) ? trade : 0 };
}

/** Fewer shares the more the price moves: the position's risk stays the same, not its size. */
function sharesMax(closesCents: readonly number[]): number {
  const priceCents = closesCents.at(-1) ?? Number.NaN;
  const riskPerShareCents = priceCents * deviation(dailyReturns(closesCents));
  return Math.floor(Math.min(dailyRiskCents / riskPerShareCents, exposureCentsMax / priceCents));
}

function dailyReturns(closesCents: readonly number[]): readonly number[] {
  return closesCents.slice(1).map((close, day) => close / (closesCents[day] ?? Number.NaN) - 1);
}
