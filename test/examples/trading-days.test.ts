/** A strategy sees every trading day once and in order, whatever happens to live ticks on the way. */
import { type Agent, join, type Network } from "colloquy";
import { expect, onTestFinished, test } from "vitest";
import { recordTick } from "../../examples/trading-desk/history.ts";
import { type TradingDay, tradingDays } from "../../examples/trading-desk/programs/trading-days.ts";
import { Market, type Tick } from "../../examples/trading-desk/protocol.ts";
import { readMarket } from "../../examples/trading-desk/rules/market.ts";

const lastDay = 6;
const ticks: readonly Tick[] = readMarket()
  .slice(0, lastDay)
  .map((bar, index) => ({ day: index + 1, lastDay, bar }));

test("ticks that follow one another are taken live", async () => {
  const desk = await openDesk();
  const seen = desk.see();
  await desk.record(1, 2, 3, 4, 5, 6);
  await desk.publish(1, 2, 3, 4, 5, 6);
  expect(summary(await seen)).toEqual("1 live, 2 live, 3 live, 4 live, 5 live, 6 live");
});

test("what a gap left out is read from the log, and what was read there is not taken again", async () => {
  const desk = await openDesk();
  const seen = desk.see();
  await desk.record(1, 2, 3, 4);
  await desk.publish(1, 4, 2, 4);
  await desk.record(5, 6);
  await desk.publish(5, 6);
  expect(summary(await seen)).toEqual("1 live, 2 log, 3 log, 4 log, 5 live, 6 live");
});

test("days of which no tick arrives at all are read from the log in the end", async () => {
  const desk = await openDesk();
  const seen = desk.see();
  await desk.record(1, 2, 3);
  await desk.publish(1);
  await desk.record(4, 5, 6);
  expect(summary(await seen)).toEqual("1 live, 2 log, 3 log, 4 log, 5 log, 6 log");
});

test("a tick that is recorded twice is in the log once", async () => {
  const desk = await openDesk();
  await desk.record(1, 2, 2, 1, 3, 4, 5, 6);
  expect(summary(await desk.see())).toEqual("1 log, 2 log, 3 log, 4 log, 5 log, 6 log");
});

interface Desk {
  record(...days: readonly number[]): Promise<void>;
  publish(...days: readonly number[]): Promise<void>;
  /** Resolves when the last day was seen. */
  see(): Promise<readonly TradingDay[]>;
}

async function openDesk(): Promise<Desk> {
  const net = await join("memory:");
  onTestFinished(() => net.close());
  const feed = await net.agent("feed");
  const trader = await net.agent("trader");
  return {
    record: async (...days) => {
      for (const tick of days.flatMap(tickOf)) await recordTick(net, tick);
    },
    publish: async (...days) => {
      for (const tick of days.flatMap(tickOf)) await feed.publish(Market.tick, tick);
    },
    see: () => collect(net, trader),
  };
}

async function collect(net: Network, trader: Agent): Promise<readonly TradingDay[]> {
  const { signal } = new AbortController();
  const seen: TradingDay[] = [];
  for await (const day of tradingDays(net, trader, lastDay, signal)) seen.push(day);
  return seen;
}

function tickOf(day: number): readonly Tick[] {
  return ticks.slice(day - 1, day);
}

function summary(days: readonly TradingDay[]): string {
  return days.map(({ tick, source }) => `${tick.day} ${source}`).join(", ");
}
