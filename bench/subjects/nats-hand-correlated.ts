import { payload } from "../harness/payload.ts";
import type { Subject } from "../harness/subject.ts";
import { openNatsRequester } from "./nats-requester.ts";

/**
 * As somebody in need of speed does it by hand: one inbox, a number for each request, and a map of who
 * waits. No timeout, and nobody notices that there is no handler.
 */
export function open(): Promise<Subject> {
  return openNatsRequester(async (connection) => {
    const inbox = `replies.${process.pid}`;
    const waiting = new Map<string, (order: unknown) => void>();
    connection.subscribe(`${inbox}.*`, {
      callback: (_error, message) => {
        waiting.get(message.subject)?.(message.json());
        waiting.delete(message.subject);
      },
    });
    await connection.flush();
    let requests = 0;
    return () =>
      new Promise((resolve) => {
        const reply = `${inbox}.${requests++}`;
        waiting.set(reply, resolve);
        connection.publish("orders.echo", Buffer.from(JSON.stringify(payload)), { reply });
      });
  });
}
