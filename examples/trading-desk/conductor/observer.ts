/** Follows the desk live: for the progress line, and to know when half of the days have passed. */
import type { Agent } from "colloquy";
import {
  type Begun,
  Execution,
  Ledger,
  Market,
  type Statement,
  type Tick,
  Work,
} from "../protocol.ts";
import { profitCents } from "../rules/accounts.ts";
import { count, dollars, type Terminal } from "./terminal.ts";

const intervalMs = 250;

export class Observer {
  readonly #agent: Agent;
  readonly #terminal: Terminal;
  readonly #onNews: () => void;
  #timer: NodeJS.Timeout | undefined;
  #tick: Tick | undefined;
  #ticks = 0;
  #statement: Statement = { entries: 0, accounts: [] };
  readonly #starts = new Map<string, number>();
  /** When a handler of orders last began, by order. */
  readonly #executedMs = new Map<string, number>();
  #onBegun: (begun: Begun) => void = () => undefined;

  /** @param onNews - called whenever something happens at the desk. */
  constructor(agent: Agent, terminal: Terminal, onNews: () => void) {
    this.#agent = agent;
    this.#terminal = terminal;
    this.#onNews = onNews;
  }

  async start(): Promise<void> {
    await this.#agent.subscribe(Market.tick, (tick) => {
      this.#tick = tick;
      this.#ticks++;
      this.#onNews();
    });
    await this.#agent.subscribe(Work.begun, (begun) => {
      const key = `${begun.command} ${begun.orderId}`;
      this.#starts.set(key, (this.#starts.get(key) ?? 0) + 1);
      if (begun.command === Execution.executeOrder.name) {
        this.#executedMs.set(begun.orderId, performance.now());
      }
      this.#onBegun(begun);
      this.#onNews();
    });
    this.#timer = setInterval(() => void this.#refresh(), intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#terminal.progress("");
  }

  /** Resolves in the second half, as soon as a worker begins with an order. */
  halfway(signal: AbortSignal): Promise<Begun> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      this.#onBegun = (begun) => {
        const { day, lastDay } = this.#tick ?? { day: 0, lastDay: 1 };
        const isOrder = begun.command === Execution.executeOrder.name;
        if (isOrder && day * 2 >= lastDay) resolve(begun);
      };
    });
  }

  /** Heard live: those on their way while the store changes hands are lost. */
  get ticks(): number {
    return this.#ticks;
  }

  /** Every start of a handler of commands that was heard of, by command and order. */
  get starts(): ReadonlyMap<string, number> {
    return this.#starts;
  }

  /** By the clock of this process; undefined for an order whose execution was never heard to begin. */
  lastExecutionMs(orderId: string): number | undefined {
    return this.#executedMs.get(orderId);
  }

  async #refresh(): Promise<void> {
    this.#terminal.progress(this.#line());
    try {
      this.#statement = await this.#agent.request("agent:ledger", Ledger.statement, undefined);
    } catch {
      // Nobody keeps the ledger: it was killed, on purpose. The last known statement stays.
    }
  }

  /** "day 2,553 of 5,105 · 2010-02-25 · S&P 500 1,102.94 · 1,480 orders booked · profit +$12,345.67" */
  #line(): string {
    if (this.#tick === undefined) return "";
    const { day, lastDay, bar } = this.#tick;
    const profit = this.#statement.accounts.reduce(
      (sum, account) => sum + profitCents(account, bar.closeCents),
      0,
    );
    return [
      `day ${count(day)} of ${count(lastDay)}`,
      bar.date,
      `S&P 500 ${(bar.closeCents / 100).toFixed(2)}`,
      `${count(this.#statement.entries)} orders booked`,
      `profit ${dollars(profit)}`,
    ].join(" · ");
  }
}
