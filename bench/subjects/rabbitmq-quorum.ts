/**
 * A quorum queue of one node, which flushes before it confirms. The producer waits for the confirm; the
 * consumer acknowledges, and then sends the ids to a queue of the producer's, which is how that learns
 * that a message is settled.
 */
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import { Settlements } from "../harness/settlements.ts";
import type { Subject } from "../harness/subject.ts";
import { connectAmqp } from "../peers/amqp.ts";
import { startRabbitMqServer } from "../servers/rabbitmq-server.ts";

export async function open(): Promise<Subject> {
  const server = await startRabbitMqServer();
  const connection = await connectAmqp(server.url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("orders", {
    durable: true,
    arguments: { "x-queue-type": "quorum" },
  });
  const notices = await channel.assertQueue("settled", { durable: false, exclusive: false });
  const settlements = new Settlements();
  await channel.consume(
    notices.queue,
    (notice) => {
      if (notice !== null) settlements.add(JSON.parse(notice.content.toString()));
    },
    { noAck: true },
  );
  const consumer = await startProcess(new URL("./rabbitmq-consumer.ts", import.meta.url), [
    server.url,
  ]);
  let sent = 0;
  const command = async (): Promise<void> => {
    const messageId = String(sent++);
    await new Promise<void>((resolve, reject) => {
      const content = Buffer.from(JSON.stringify(payload));
      channel.sendToQueue("orders", content, { persistent: true, messageId }, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    await settlements.of(messageId);
  };
  return {
    measure: (inFlight, durationMs) => keepInFlight(inFlight, durationMs, command),
    close: async () => {
      await consumer.stop();
      await connection.close();
      await server.stop();
    },
  };
}
