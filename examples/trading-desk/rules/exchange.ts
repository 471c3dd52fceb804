/** What an order fetches. It depends on the order alone, not on who executes it, or when. */
import type { Fill, Order } from "../protocol.ts";

const feeCentsPerShare = 1;

/** Buyers pay a little more than the closing price and sellers get a little less: a fiftieth of the day's range. */
export function execute({ id, strategy, day, shares, bar }: Order): Fill {
  const slippageCents = Math.ceil((bar.highCents - bar.lowCents) / 50);
  return {
    orderId: id,
    strategy,
    day,
    shares,
    priceCents: bar.closeCents + Math.sign(shares) * slippageCents,
    feeCents: Math.abs(shares) * feeCentsPerShare,
  };
}
