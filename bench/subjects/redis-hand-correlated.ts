/**
 * A request over pub/sub by hand: one channel of the handler, one of the requester, a number for each
 * request, and a map of who waits. No timeout, and nobody notices that there is no handler.
 */
import { keepInFlight } from "../harness/loops.ts";
import { assertPayload, payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";
import { connectRedis } from "../peers/redis.ts";
import { startRedisServer } from "../servers/redis-server.ts";

export async function open(): Promise<Subject> {
  const server = await startRedisServer();
  const handler = await startProcess(new URL("./redis-handler.ts", import.meta.url), [server.url]);
  const publisher = await connectRedis(server.url);
  const listener = await connectRedis(server.url);
  const waiting = new Map<number, (order: unknown) => void>();
  await listener.subscribe("replies", (text) => {
    const { number, order } = JSON.parse(text) as { number: number; order: unknown };
    waiting.get(number)?.(order);
    waiting.delete(number);
  });
  let requests = 0;
  const request = async (): Promise<void> => {
    const number = requests++;
    const answered = new Promise<unknown>((resolve) => waiting.set(number, resolve));
    void publisher.publish("orders.echo", JSON.stringify({ number, order: payload }));
    assertPayload(await answered);
  };
  return {
    measure: (inFlight, durationMs) => keepInFlight(inFlight, durationMs, request),
    close: async () => {
      publisher.destroy();
      listener.destroy();
      await handler.stop();
      await server.stop();
    },
  };
}
