/** The market feed: every trading day goes into the log first, and then out to whoever looks on. */
import { setTimeout as pause } from "node:timers/promises";
import { recordTick } from "../history.ts";
import { Market } from "../protocol.ts";
import { readMarket } from "../rules/market.ts";
import { runProgram } from "./program.ts";

/** A sign of life for the conductor, every so many days. */
const progressDays = 100;

await runProgram(async (net) => {
  const feed = await net.agent("feed", { type: "feed" });

  feed.handle(Market.open, async ({ days, paceMs }, ctx) => {
    const openedMs = performance.now();
    for (const [index, bar] of readMarket().slice(0, days).entries()) {
      const tick = { day: index + 1, lastDay: days, bar };
      const waitMs = Math.max(0, openedMs + index * paceMs - performance.now());
      await pause(waitMs, undefined, { signal: ctx.signal });
      await recordTick(net, tick);
      await feed.publish(Market.tick, tick);
      if (tick.day % progressDays === 0) ctx.progress(tick.day);
    }
  });
  return [feed];
});
