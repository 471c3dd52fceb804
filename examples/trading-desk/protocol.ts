/**
 * Everything the processes of the desk say to one another. It is all they share.
 *
 * Money is whole cents and holdings are whole shares, so that sums come out the same in whatever
 * order they are made. A negative number of shares is sold, or owed.
 */
import { command, event, protocol, request } from "colloquy";
import { z } from "zod";

const whole = z.int();
const strategyName = z.string();

/** One trading day. */
const bar = z.object({
  date: z.iso.date(),
  openCents: whole,
  highCents: whole,
  lowCents: whole,
  closeCents: whole,
  volume: whole,
});
export type Bar = z.infer<typeof bar>;

/** `day` counts from 1; nothing follows `lastDay`. */
export const tick = z.object({ day: whole, lastDay: whole, bar });
export type Tick = z.infer<typeof tick>;

const question = z.object({
  strategy: strategyName,
  /** 1 expects the price to rise, -1 to fall, 0 neither. */
  view: z.literal([-1, 0, 1]),
  shares: whole,
  /** The latest closing prices, oldest first. */
  closesCents: z.array(whole),
});
export type Question = z.infer<typeof question>;

/** How many shares to trade now; 0 for none. */
const advice = z.object({ trade: whole });
export type Advice = z.infer<typeof advice>;

const order = z.object({
  /** Made of strategy and day: whoever repeats the decision repeats the id. */
  id: z.string(),
  strategy: strategyName,
  day: whole,
  shares: whole,
  bar,
});
export type Order = z.infer<typeof order>;

export const fill = z.object({
  orderId: z.string(),
  strategy: strategyName,
  day: whole,
  shares: whole,
  priceCents: whole,
  feeCents: whole,
});
export type Fill = z.infer<typeof fill>;

/** What one strategy owns. */
const account = z.object({
  strategy: strategyName,
  fills: whole,
  shares: whole,
  /** Everything received less everything paid; a strategy begins with nothing. */
  cashCents: whole,
});
export type Account = z.infer<typeof account>;

/** The accounts after the first `entries` entries of the ledger's log. */
const statement = z.object({ entries: whole, accounts: z.array(account) });
export type Statement = z.infer<typeof statement>;

/** What one strategy saw in the whole run. Times are milliseconds, one for each message. */
const figures = z.object({
  /** Trading days that it has read from the log. */
  days: whole,
  /** From question to answer. */
  assessMs: z.array(z.number()),
  /** From order to durable acceptance. */
  acceptMs: z.array(z.number()),
  /** From order to the end of its execution. */
  settleMs: z.array(z.number()),
  /** Orders that were not executed, and why. */
  failures: z.array(z.string()),
});
export type Figures = z.infer<typeof figures>;

const begun = z.object({ command: z.string(), orderId: z.string(), agent: z.string() });
export type Begun = z.infer<typeof begun>;

/** A tick is in the log first; live it is for whoever only looks on, and may miss some. */
export const Market = protocol("market", {
  tick: event({ data: tick }),
  /** Lets the market go by once; answered when it has closed for good. */
  open: request({ input: z.object({ days: whole, paceMs: z.number() }) }),
});

export const Trading = protocol("trading", {
  /** Trades from the first day to `lastDay`; answered when every order is settled. */
  trade: request({ input: z.object({ lastDay: whole }), output: figures }),
});

export const Risk = protocol("risk", {
  assess: request({ input: question, output: advice }),
});

export const Execution = protocol("execution", {
  executeOrder: command({ input: order }),
});

export const Ledger = protocol("ledger", {
  bookFill: command({ input: fill }),
  statement: request({ output: statement }),
});

/** Said by an agent when it begins with a command, for whoever counts how often that happens. */
export const Work = protocol("work", {
  begun: event({ data: begun }),
});
