/** What has happened at the desk, in order and for good: two streams of the log. */
import { isColloquyError, type Network } from "colloquy";
import { type Fill, fill, type Tick, tick } from "./protocol.ts";

const ticksStream = "market.ticks";

/** The ledger's entries: every fill, in the order in which they were booked. */
export const entriesStream = "ledger.entries";

/**
 * Resolves when the tick is in the log, safe on disk, where its day is its position. That makes it
 * safe to repeat: when the store changes hands, nobody may know what became of an entry on its way.
 */
export async function recordTick({ log }: Network, value: Tick): Promise<void> {
  for (;;) {
    try {
      await log.append(ticksStream, value, { at: value.day });
      return;
    } catch (error) {
      if (isColloquyError(error, "CONFLICT")) return;
      if (!isColloquyError(error, "INDETERMINATE")) throw error;
    }
  }
}

/** Every trading day once and in order, up to `lastDay`; waits for those that are still to come. */
export async function* tradingDays(
  { log }: Network,
  lastDay: number,
  signal: AbortSignal,
): AsyncGenerator<Tick> {
  for await (const { value } of log.read(ticksStream, 1, { follow: true, signal })) {
    const today = tick.parse(value);
    yield today;
    if (today.day === lastDay) return;
  }
  signal.throwIfAborted();
}

export interface Entry {
  /** Counts from 1. */
  readonly position: number;
  readonly fill: Fill;
}

/** Every entry the ledger has made by now, from `position` on. */
export async function* entriesSince({ log }: Network, position: number): AsyncGenerator<Entry> {
  for await (const entry of log.read(entriesStream, position)) {
    yield { position: entry.position, fill: fill.parse(entry.value) };
  }
}
