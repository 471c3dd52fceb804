import { type Report, reportEvery } from "../harness/fan-out.ts";
import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { connectRedis } from "../peers/redis.ts";

await serve(async () => {
  const [url = "", number] = process.argv.slice(2);
  const publisher = await connectRedis(url);
  const listener = await connectRedis(url);
  let count = 0;
  await listener.subscribe("order.placed", (text) => {
    assertPayload(JSON.parse(text));
    if (++count % reportEvery !== 0) return;
    const report: Report = { subscriber: Number(number) };
    void publisher.publish("order.counted", JSON.stringify(report));
  });
  return {
    close: async () => {
      publisher.destroy();
      listener.destroy();
    },
  };
});
