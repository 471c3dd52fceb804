/** The whole desk in one loop: no processes, no messages, no failures. What really happened must equal it. */

import type { Bar, Fill, Order } from "../protocol.ts";
import { type Accounts, accountsOf } from "./accounts.ts";
import { execute } from "./exchange.ts";
import { assess } from "./risk.ts";
import { orderFor, questionFor, type Strategy, strategies } from "./strategies.ts";

export interface Replay {
  readonly questions: number;
  readonly orders: readonly Order[];
  readonly fills: readonly Fill[];
  readonly accounts: Accounts;
}

export function replay(bars: readonly Bar[]): Replay {
  const runs = strategies.map((strategy) => runOf(strategy, bars));
  const orders = runs.flatMap((run) => run.orders);
  const questions = runs.reduce((sum, run) => sum + run.questions, 0);
  const fills = orders.map(execute);
  return { questions, orders, fills, accounts: accountsOf(fills) };
}

function runOf(strategy: Strategy, bars: readonly Bar[]): Pick<Replay, "questions" | "orders"> {
  const orders: Order[] = [];
  const closesCents: number[] = [];
  let questions = 0;
  let shares = 0;
  for (const [index, bar] of bars.entries()) {
    closesCents.push(bar.closeCents);
    const question = questionFor(strategy, closesCents, shares);
    if (question === undefined) continue;
    questions++;
    const tick = { day: index + 1, lastDay: bars.length, bar };
    const order = orderFor(strategy, tick, assess(question));
    if (order === undefined) continue;
    shares += order.shares;
    orders.push(order);
  }
  return { questions, orders };
}
