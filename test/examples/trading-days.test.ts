/** A strategy sees every trading day once and in order, those before it came too. */
import { join } from "colloquy";
import { expect, onTestFinished, test } from "vitest";
import { recordTick, tradingDays } from "../../examples/trading-desk/history.ts";
import { readMarket } from "../../examples/trading-desk/rules/market.ts";

test("whoever follows the days sees each once, whenever it was recorded, and however often", async () => {
  const net = await join("memory:");
  onTestFinished(() => net.close());
  const lastDay = 6;
  const bars = readMarket().slice(0, lastDay);
  const record = async (...days: readonly number[]) => {
    for (const [index, bar] of bars.entries()) {
      const day = index + 1;
      if (days.includes(day)) await recordTick(net, { day, lastDay, bar });
    }
  };
  await record(1, 2);
  await record(1, 2, 3);
  const seen: number[] = [];
  for await (const { day } of tradingDays(net, lastDay, new AbortController().signal)) {
    seen.push(day);
    if (day === 3) await record(4, 5, 6);
  }
  expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
});

test("whoever gives up is told so, and has not seen the last day", async () => {
  const net = await join("memory:");
  onTestFinished(() => net.close());
  const stop = new AbortController();
  const following = (async () => {
    for await (const tick of tradingDays(net, 6, stop.signal)) expect(tick).toBeUndefined();
  })();
  stop.abort(new Error("enough"));
  await expect(following).rejects.toThrow("enough");
});
