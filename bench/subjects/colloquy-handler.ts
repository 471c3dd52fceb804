import { join } from "../../src/index.ts";
import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { placeUrl } from "./place-url.ts";

const capacity = 256;

/**
 * Answers requests with their input, and takes commands of `type:pool` by looking at them. Says how many
 * it took.
 */
await serve(async () => {
  const [place = ""] = process.argv.slice(2);
  const net = await join(placeUrl(place));
  const agent = await net.agent("handler", { type: "pool", capacity });
  let booked = 0;
  agent.handle("orders.echo", async (order) => order);
  agent.handle("orders.book", async (order) => {
    assertPayload(order);
    booked += 1;
  });
  await agent.ready();
  return { answer: async () => booked, close: () => net.close() };
});
