import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { connectRedis, type RedisClient } from "../peers/redis.ts";
import { group, settledChannel, stream } from "./redis-streams-names.ts";

const messagesPerRead = 256;
const waitForeverMs = 0;

await serve(async () => {
  const [url] = process.argv.slice(2);
  if (url === undefined) throw new Error("usage: redis-streams-consumer.ts URL");
  // A read that blocks holds its connection, so acknowledgements have one of their own.
  const reader = await connectRedis(url);
  const writer = await connectRedis(url);
  await writer.xGroupCreate(stream, group, "0", { MKSTREAM: true });
  let closing = false;
  consume(reader, writer).catch((error: unknown) => {
    if (!closing) throw error;
  });
  return {
    close: async () => {
      closing = true;
      reader.destroy();
      writer.destroy();
    },
  };
});

/**
 * Acknowledgement and notice travel together: Redis hands out nothing of a turn before the turn is on
 * disk. Waiting for both before the next read makes larger batches, and was the fastest order measured.
 */
async function consume(reader: RedisClient, writer: RedisClient): Promise<never> {
  const position = { key: stream, id: ">" } as const;
  const options = { COUNT: messagesPerRead, BLOCK: waitForeverMs };
  while (true) {
    const streams = await reader.xReadGroup(group, "consumer", position, options);
    const messages = streams?.flatMap((reply) => reply.messages) ?? [];
    for (const { message } of messages) assertPayload(JSON.parse(message.body));
    const ids = messages.map(({ id }) => id);
    await Promise.all([
      writer.xAck(stream, group, ids),
      writer.publish(settledChannel, ids.join(",")),
    ]);
  }
}
