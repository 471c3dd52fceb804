/** One strategy at work: day by day it forms a view, asks how much to trade on it, and orders. */
import type { Agent, Context, Network } from "colloquy";
import { tradingDays } from "../history.ts";
import {
  type Advice,
  Execution,
  type Figures,
  type Order,
  type Question,
  Risk,
} from "../protocol.ts";
import { orderFor, questionFor, type Strategy } from "../rules/strategies.ts";

/** A sign of life for the conductor, every so many days. */
const progressDays = 100;

/** A question changes nothing, so it is asked until somebody answers. */
const untilAnswered = { attemptsMax: 100, baseMs: 50, capMs: 1_000, budget: Infinity };

export class Trader {
  readonly #net: Network;
  readonly #agent: Agent;
  readonly #strategy: Strategy;
  readonly #figures: Figures = { days: 0, assessMs: [], acceptMs: [], settleMs: [], failures: [] };

  constructor(net: Network, agent: Agent, strategy: Strategy) {
    this.#net = net;
    this.#agent = agent;
    this.#strategy = strategy;
  }

  /** Resolves when `lastDay` has passed and every order is settled; gives up with its caller. */
  async trade(lastDay: number, ctx: Pick<Context, "progress" | "signal">): Promise<Figures> {
    const orders: Promise<void>[] = [];
    const closesCents: number[] = [];
    let shares = 0;
    for await (const tick of tradingDays(this.#net, lastDay, ctx.signal)) {
      this.#figures.days++;
      if (tick.day % progressDays === 0) ctx.progress(tick.day);
      closesCents.push(tick.bar.closeCents);
      const question = questionFor(this.#strategy, closesCents, shares);
      if (question === undefined) continue;
      const advice = await this.#ask(question, ctx.signal);
      const order = orderFor(this.#strategy, tick, advice);
      if (order === undefined) continue;
      // Owned from here on: an accepted order is executed, sooner or later and exactly once.
      shares += order.shares;
      orders.push(this.#place(order));
    }
    await Promise.all(orders);
    return this.#figures;
  }

  async #ask(question: Question, signal: AbortSignal): Promise<Advice> {
    const askedMs = performance.now();
    const advice = await this.#agent.request("skill:risk.assess", Risk.assess, question, {
      signal,
      retry: untilAnswered,
      idempotent: true,
    });
    this.#figures.assessMs.push(performance.now() - askedMs);
    return advice;
  }

  /** Never rejects: an order that fails is told of in the figures. */
  async #place(order: Order): Promise<void> {
    const sentMs = performance.now();
    // Its own id makes a repetition a duplicate, also one by a trader that was started again.
    const options = { guarantee: "exactly-once", id: order.id } as const;
    try {
      const { executeOrder } = Execution;
      const receipt = await this.#agent.send("type:execution", executeOrder, order, options);
      this.#figures.acceptMs.push(performance.now() - sentMs);
      const { state } = await receipt.settled();
      this.#figures.settleMs.push(performance.now() - sentMs);
      if (state !== "done") throw new Error(state);
    } catch (error) {
      this.#figures.failures.push(`${order.id}: ${error}`);
    }
  }
}
