import { FanOut, type Report } from "../harness/fan-out.ts";
import { payload } from "../harness/payload.ts";
import { type BenchProcess, startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";
import { connectRedis } from "../peers/redis.ts";
import { startRedisServer } from "../servers/redis-server.ts";

/** One process publishes through redis-server, and each subscriber is a process. */
export async function open(): Promise<Subject> {
  const server = await startRedisServer();
  const publisher = await connectRedis(server.url);
  const listener = await connectRedis(server.url);
  const fanOut = new FanOut(() => void publisher.publish("order.placed", JSON.stringify(payload)));
  await listener.subscribe("order.counted", (text) => fanOut.report(JSON.parse(text) as Report));
  const subscribers: BenchProcess[] = [];
  return {
    measure: async (count, durationMs) => {
      while (fanOut.subscribers < count) {
        const args = [server.url, String(fanOut.subscribers)];
        const module = new URL("./redis-subscriber.ts", import.meta.url);
        subscribers.push(await startProcess(module, args));
        fanOut.add();
      }
      return fanOut.measure(durationMs);
    },
    close: async () => {
      publisher.destroy();
      listener.destroy();
      for (const subscriber of subscribers) await subscriber.stop();
      await server.stop();
    },
  };
}
