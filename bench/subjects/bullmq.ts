/** Jobs of BullMQ on a Redis that flushes before it replies. The producer learns of the end by its events. */
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import { Settlements } from "../harness/settlements.ts";
import type { Subject } from "../harness/subject.ts";
import { bullOptions, importBullMq, queueName } from "../peers/bullmq.ts";
import { startRedisServer } from "../servers/redis-server.ts";

export async function open(): Promise<Subject> {
  const server = await startRedisServer();
  const { Queue, QueueEvents } = await importBullMq();
  const queue = new Queue(queueName, {
    ...bullOptions(server.port),
    defaultJobOptions: { removeOnComplete: true },
  });
  const events = new QueueEvents(queueName, bullOptions(server.port));
  await events.waitUntilReady();
  const settlements = new Settlements();
  events.on("completed", ({ jobId }) => settlements.add([jobId]));
  const worker = await startProcess(new URL("./bullmq-worker.ts", import.meta.url), [
    String(server.port),
  ]);
  const command = async (): Promise<void> => {
    const { id } = await queue.add("book", payload);
    await settlements.of(id);
  };
  return {
    measure: (inFlight, durationMs) => keepInFlight(inFlight, durationMs, command),
    close: async () => {
      await worker.stop();
      await events.close();
      await queue.close();
      await server.stop();
    },
  };
}
