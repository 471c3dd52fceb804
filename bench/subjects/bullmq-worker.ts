import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { bullOptions, importBullMq, queueName } from "../peers/bullmq.ts";

const capacity = 256;

await serve(async () => {
  const [port] = process.argv.slice(2);
  const { Worker } = await importBullMq();
  const worker = new Worker(queueName, async ({ data }) => assertPayload(data), {
    ...bullOptions(Number(port)),
    concurrency: capacity,
  });
  await worker.waitUntilReady();
  return { close: () => worker.close() };
});
