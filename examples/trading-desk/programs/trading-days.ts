/**
 * Every trading day once and in order, although live ticks can be lost: when the store changes
 * hands, while a process is paused. A tick that follows the last is taken as it comes. A gap, or
 * silence, sends the reader to the log, where the feed put every tick before it published it.
 */
import type { Agent, Network } from "colloquy";
import { ticksSince } from "../history.ts";
import { Market, type Tick } from "../protocol.ts";

/** Without a tick for so long, the reader looks into the log. */
const silenceMs = 500;

export interface TradingDay {
  readonly tick: Tick;
  readonly source: "live" | "log";
}

export async function* tradingDays(
  net: Network,
  agent: Agent,
  lastDay: number,
  signal: AbortSignal,
): AsyncGenerator<TradingDay> {
  const live = new LiveTicks();
  const subscription = await agent.subscribe(Market.tick, (tick) => live.push(tick));
  try {
    for (let next = 1; next <= lastDay; ) {
      signal.throwIfAborted();
      const tick = await live.shift(silenceMs);
      if (tick?.day === next) {
        yield { tick, source: "live" };
        next++;
      } else if (tick === undefined || tick.day > next) {
        for await (const missed of ticksSince(net, next)) {
          yield { tick: missed, source: "log" };
          next++;
        }
      }
    }
  } finally {
    subscription.close();
  }
}

/** Live ticks that wait to be taken. */
class LiveTicks {
  readonly #ticks: Tick[] = [];
  #arrived: () => void = () => {};

  push(tick: Tick): void {
    this.#ticks.push(tick);
    this.#arrived();
  }

  /** The oldest tick, or undefined when none comes within `waitMs`. */
  async shift(waitMs: number): Promise<Tick | undefined> {
    if (this.#ticks.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#ticks.shift();
  }
}
