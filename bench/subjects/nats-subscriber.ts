import { type Report, reportEvery } from "../harness/fan-out.ts";
import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { connectNats } from "../peers/nats.ts";

await serve(async () => {
  const [address = "", number] = process.argv.slice(2);
  const connection = await connectNats(address);
  let count = 0;
  connection.subscribe("order.placed", {
    callback: (_error, message) => {
      assertPayload(message.json());
      if (++count % reportEvery !== 0) return;
      const report: Report = { subscriber: Number(number) };
      connection.publish("order.counted", Buffer.from(JSON.stringify(report)));
    },
  });
  await connection.flush();
  return { close: () => connection.close() };
});
