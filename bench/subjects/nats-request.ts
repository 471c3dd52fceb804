import { payload } from "../harness/payload.ts";
import type { Subject } from "../harness/subject.ts";
import { openNatsRequester } from "./nats-requester.ts";

/** With the `request` of nats.js. */
export function open(): Promise<Subject> {
  return openNatsRequester(async (connection) => async () => {
    const order = Buffer.from(JSON.stringify(payload));
    const reply = await connection.request("orders.echo", order, { timeout: 30_000 });
    return reply.json();
  });
}
