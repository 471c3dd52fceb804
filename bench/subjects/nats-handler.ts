import { serve } from "../harness/process.ts";
import { connectNats } from "../peers/nats.ts";

/** Answers with its input, decoded and encoded again, as an async handler does. */
await serve(async () => {
  const [address = ""] = process.argv.slice(2);
  const connection = await connectNats(address);
  const echo = async (order: unknown): Promise<unknown> => order;
  connection.subscribe("orders.echo", {
    callback: (_error, message) => {
      void echo(message.json()).then((order) =>
        message.respond(Buffer.from(JSON.stringify(order))),
      );
    },
  });
  await connection.flush();
  return { close: () => connection.close() };
});
