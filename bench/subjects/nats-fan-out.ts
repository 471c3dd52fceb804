import { FanOut, type Report } from "../harness/fan-out.ts";
import { payload } from "../harness/payload.ts";
import { type BenchProcess, startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";
import { connectNats } from "../peers/nats.ts";
import { startNatsServer } from "../servers/nats-server.ts";

/** One process publishes through nats-server, and each subscriber is a process. */
export async function open(): Promise<Subject> {
  const server = await startNatsServer();
  const connection = await connectNats(server.address);
  const fanOut = new FanOut(() =>
    connection.publish("order.placed", Buffer.from(JSON.stringify(payload))),
  );
  connection.subscribe("order.counted", {
    callback: (_error, message) => fanOut.report(message.json<Report>()),
  });
  await connection.flush();
  const subscribers: BenchProcess[] = [];
  return {
    measure: async (count, durationMs) => {
      while (fanOut.subscribers < count) {
        const args = [server.address, String(fanOut.subscribers)];
        subscribers.push(
          await startProcess(new URL("./nats-subscriber.ts", import.meta.url), args),
        );
        fanOut.add();
      }
      return fanOut.measure(durationMs);
    },
    close: async () => {
      await connection.close();
      for (const subscriber of subscribers) await subscriber.stop();
      await server.stop();
    },
  };
}
