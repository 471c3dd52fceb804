import { assertPayload } from "../harness/payload.ts";
import { serve } from "../harness/process.ts";
import { TurnBatch } from "../harness/turn-batch.ts";
import { type AmqpMessage, connectAmqp } from "../peers/amqp.ts";

const messagesAtATime = 512;

await serve(async () => {
  const [url = ""] = process.argv.slice(2);
  const connection = await connectAmqp(url);
  const channel = await connection.createChannel();
  await channel.prefetch(messagesAtATime);
  // One acknowledgement for all that came in one turn, and one notice.
  const settled = new TurnBatch<AmqpMessage>((messages) => {
    const last = messages.at(-1);
    if (last === undefined) return;
    channel.ack(last, true);
    const ids = messages.map(({ properties }) => properties.messageId);
    channel.sendToQueue("settled", Buffer.from(JSON.stringify(ids)), {});
  });
  await channel.consume("orders", (message) => {
    if (message === null) return;
    assertPayload(JSON.parse(message.content.toString()));
    settled.add(message);
  });
  return { close: () => connection.close() };
});
