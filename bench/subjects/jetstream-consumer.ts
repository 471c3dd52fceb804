import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { TurnBatch } from "../harness/turn-batch.ts";
import { connectNats, importJetStream } from "../peers/nats.ts";

const messagesAtATime = 512;

await serve(async () => {
  const [address = ""] = process.argv.slice(2);
  const connection = await connectNats(address);
  const { jetstream } = await importJetStream();
  const consumer = await jetstream(connection).consumers.get("ORDERS", "pool");
  const settled = new TurnBatch<string>((numbers) =>
    connection.publish("orders.settled", Buffer.from(JSON.stringify(numbers))),
  );
  await consumer.consume({
    max_messages: messagesAtATime,
    callback: (message) => {
      assertPayload(message.json());
      message.ack();
      settled.add(String(message.seq));
    },
  });
  return { close: () => connection.close() };
});
