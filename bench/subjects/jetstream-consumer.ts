import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { TurnBatch } from "../harness/turn-batch.ts";
import { connectNats, importJetStream, type JetStreamMessage } from "../peers/nats.ts";

const messagesAtATime = 512;

await serve(async () => {
  const [address = "", acknowledgement] = process.argv.slice(2);
  const connection = await connectNats(address);
  const { jetstream } = await importJetStream();
  const consumer = await jetstream(connection).consumers.get("ORDERS", "pool");
  const settled = new TurnBatch<string>((numbers) =>
    connection.publish("orders.settled", Buffer.from(JSON.stringify(numbers))),
  );
  const confirm = async (message: JetStreamMessage): Promise<void> => {
    if (await message.ackAck()) settled.add(String(message.seq));
  };
  await consumer.consume({
    max_messages: messagesAtATime,
    callback: (message) => {
      assertPayload(message.json());
      if (acknowledgement === "confirmed") {
        void confirm(message);
      } else {
        message.ack();
        settled.add(String(message.seq));
      }
    },
  });
  return { close: () => connection.close() };
});
