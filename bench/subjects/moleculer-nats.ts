import { keepInFlight } from "../harness/loops.ts";
import { assertPayload, payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";
import { createMoleculerBroker, natsNode } from "../peers/moleculer.ts";
import { startNatsServer } from "../servers/nats-server.ts";

/** Two processes joined by nats-server. */
export async function open(): Promise<Subject> {
  const server = await startNatsServer();
  const handler = await startProcess(new URL("./moleculer-nats-handler.ts", import.meta.url), [
    server.address,
  ]);
  const broker = await createMoleculerBroker(natsNode("requester", server.address));
  await broker.start();
  await broker.waitForServices("orders");
  const call = async (): Promise<void> => assertPayload(await broker.call("orders.echo", payload));
  return {
    measure: (inFlight, durationMs) => keepInFlight(inFlight, durationMs, call),
    close: async () => {
      await broker.stop();
      await handler.stop();
      await server.stop();
    },
  };
}
