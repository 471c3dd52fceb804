import { join } from "../../src/index.ts";
import { Latencies } from "../harness/latencies.ts";
import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import type { Heard, Tick } from "./orders.ts";

/** Measures how long after it was published each message has come and was decoded. */
await serve(async () => {
  const [directory = "", name = ""] = process.argv.slice(2);
  const net = await join(`embedded:${directory}`);
  const agent = await net.agent(name);
  let latencies = new Latencies();
  await agent.subscribe("tick.live", (tick) => {
    const { sentAtMicroseconds, order } = tick as Tick;
    assertPayload(order);
    const nowMicroseconds = Number(process.hrtime.bigint() / 1_000n);
    latencies.add((nowMicroseconds - sentAtMicroseconds) / 1_000);
  });
  return {
    // Once as many have come as it is asked about, or it is clear that they do not.
    answer: async (expected) => {
      const giveUpMs = performance.now() + 10_000;
      while (latencies.count < Number(expected) && performance.now() < giveUpMs) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const heard: Heard = {
        ...latencies.summary(),
        count: latencies.count,
        dropped: net.counters.dropped,
      };
      latencies = new Latencies();
      return heard;
    },
    close: () => net.close(),
  };
});
