import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { bullOptions, importBullMq, queueName } from "../peers/bullmq.ts";

/** One worker takes one job after the other from a queue that is nearly empty: several do more. */
const workers = 16;
const capacity = 16;

await serve(async () => {
  const [port] = process.argv.slice(2);
  const { Worker } = await importBullMq();
  const all = Array.from(
    { length: workers },
    () =>
      new Worker(queueName, async ({ data }) => assertPayload(data), {
        ...bullOptions(Number(port)),
        concurrency: capacity,
      }),
  );
  await Promise.all(all.map((worker) => worker.waitUntilReady()));
  return {
    close: async () => {
      await Promise.all(all.map((worker) => worker.close()));
    },
  };
});
