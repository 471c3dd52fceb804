/** Producer, server and consumer in three processes. */
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import { Settlements } from "../harness/settlements.ts";
import type { Subject } from "../harness/subject.ts";
import { connectNats, importJetStream } from "../peers/nats.ts";
import { type NatsServerOptions, startNatsServer } from "../servers/nats-server.ts";

export interface JetStreamOptions extends Required<Pick<NatsServerOptions, "flush">> {
  /** Whether the consumer waits until the server has confirmed its acknowledgement. */
  readonly acknowledgement: "sent" | "confirmed";
}

export async function openJetStream(options: JetStreamOptions): Promise<Subject> {
  const server = await startNatsServer({ jetStream: true, flush: options.flush });
  const connection = await connectNats(server.address);
  const { jetstream, jetstreamManager } = await importJetStream();
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: "ORDERS",
    subjects: ["orders.book"],
    storage: "file",
    retention: "workqueue",
  });
  await manager.consumers.add("ORDERS", {
    durable_name: "pool",
    ack_policy: "explicit",
    max_ack_pending: 10_000,
  });
  const consumer = await startProcess(new URL("./jetstream-consumer.ts", import.meta.url), [
    server.address,
    options.acknowledgement,
  ]);
  const settlements = new Settlements();
  connection.subscribe("orders.settled", {
    callback: (_error, message) => settlements.add(message.json<string[]>()),
  });
  await connection.flush();
  const client = jetstream(connection);
  const command = async (): Promise<void> => {
    const order = Buffer.from(JSON.stringify(payload));
    const { seq } = await client.publish("orders.book", order);
    await settlements.of(String(seq));
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
