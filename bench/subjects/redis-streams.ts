/**
 * Producer, server and consumer in three processes. The producer adds to a stream (the client pipelines
 * what is added in one turn); the consumer acknowledges, and then publishes the ids on a channel, which
 * is how the producer learns that a message is settled.
 */
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import { Settlements } from "../harness/settlements.ts";
import type { Subject } from "../harness/subject.ts";
import { connectRedis } from "../peers/redis.ts";
import { startRedisServer } from "../servers/redis-server.ts";
import { settledChannel, stream } from "./redis-streams-names.ts";

export async function open(): Promise<Subject> {
  const server = await startRedisServer();
  const consumer = await startProcess(new URL("./redis-streams-consumer.ts", import.meta.url), [
    server.url,
  ]);
  const producer = await connectRedis(server.url);
  const listener = await connectRedis(server.url);
  const settlements = new Settlements();
  await listener.subscribe(settledChannel, (ids) => settlements.add(ids.split(",")));

  const command = async (): Promise<void> => {
    const id = await producer.xAdd(stream, "*", { body: JSON.stringify(payload) });
    await settlements.of(id);
  };
  return {
    measure: (inFlight, durationMs) => keepInFlight(inFlight, durationMs, command),
    close: async () => {
      producer.destroy();
      listener.destroy();
      await consumer.stop();
      await server.stop();
    },
  };
}
