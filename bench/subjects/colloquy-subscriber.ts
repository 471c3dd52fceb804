import { join } from "../../src/index.ts";
import { reportEvery } from "../harness/fan-out.ts";
import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { placeUrl } from "./place-url.ts";

await serve(async () => {
  const [place = "", number] = process.argv.slice(2);
  const net = await join(placeUrl(place));
  const agent = await net.agent(`subscriber-${number}`);
  let count = 0;
  await agent.subscribe("order.placed", (order) => {
    assertPayload(order);
    if (++count % reportEvery !== 0) return;
    void agent.publish("order.counted", { subscriber: Number(number) });
  });
  return { close: () => net.close() };
});
