import { join } from "../../src/index.ts";
import { payload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import type { PublisherOrder, Tick } from "./orders.ts";

/** Larger than what is measured, so that little of it fills what waits for the slow ones. */
const fillBytes = 16 * 1024;

/** Publishes at an even pace, whoever listens; answers with how many it has published so far. */
await serve(async () => {
  const [directory = ""] = process.argv.slice(2);
  const net = await join(`embedded:${directory}`);
  const agent = await net.agent("publisher");
  let published = 0;
  const publish = async (topic: string, data: unknown): Promise<void> => {
    published++;
    await agent.publish(topic, data);
  };
  const paced = async (forMs: number, perSecond: number): Promise<void> => {
    const startMs = performance.now();
    const total = Math.round((forMs * perSecond) / 1_000);
    for (let sent = 0; sent < total; ) {
      const due = Math.min(total, ((performance.now() - startMs) * perSecond) / 1_000);
      for (; sent < due; sent++) {
        const tick: Tick = { sentAtMicroseconds: microseconds(), order: payload };
        await publish("tick.live", tick);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const fill = async (bytes: number): Promise<void> => {
    const filling = new Uint8Array(fillBytes);
    crypto.getRandomValues(filling);
    for (let sent = 0; sent < bytes; sent += fillBytes) {
      await publish("tick.fill", filling);
      // A turn for each: the publisher itself must not be the one that is slow.
      await new Promise((resolve) => setImmediate(resolve));
    }
    // The hub answers behind what was published.
    await net.store.get("nothing");
  };
  return {
    answer: async (question) => {
      const order = question as PublisherOrder;
      if (order.kind === "fill") await fill(order.bytes);
      else await paced(order.forMs, order.perSecond);
      await net.store.get("nothing");
      return published;
    },
    close: () => net.close(),
  };
});

/** On the clock that all processes of a machine share. */
function microseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
