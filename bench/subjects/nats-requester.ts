/** Requester, nats-server and handler: three processes. */
import { keepInFlight } from "../harness/loops.ts";
import { assertPayload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";
import { connectNats, type NatsConnection } from "../peers/nats.ts";
import { startNatsServer } from "../servers/nats-server.ts";

/** @param prepare - gives what sends one request and resolves to its answer. */
export async function openNatsRequester(
  prepare: (connection: NatsConnection) => Promise<() => Promise<unknown>>,
): Promise<Subject> {
  const server = await startNatsServer();
  const handler = await startProcess(new URL("./nats-handler.ts", import.meta.url), [
    server.address,
  ]);
  const connection = await connectNats(server.address);
  const request = await prepare(connection);
  const checked = async (): Promise<void> => assertPayload(await request());
  return {
    measure: (inFlight, durationMs) => keepInFlight(inFlight, durationMs, checked),
    close: async () => {
      await connection.close();
      await handler.stop();
      await server.stop();
    },
  };
}
