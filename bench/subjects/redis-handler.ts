import { serve } from "../harness/process.ts";
import { connectRedis } from "../peers/redis.ts";

/** Answers with its input, decoded and encoded again, as an async handler does. */
await serve(async () => {
  const [url = ""] = process.argv.slice(2);
  const publisher = await connectRedis(url);
  const listener = await connectRedis(url);
  const echo = async (request: unknown): Promise<unknown> => request;
  await listener.subscribe("orders.echo", (text) => {
    void echo(JSON.parse(text)).then((answer) =>
      publisher.publish("replies", JSON.stringify(answer)),
    );
  });
  return {
    close: async () => {
      publisher.destroy();
      listener.destroy();
    },
  };
});
