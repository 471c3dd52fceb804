import { freePort } from "../harness/free-port.ts";
import { keepInFlight } from "../harness/loops.ts";
import { assertPayload, payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";
import { createMoleculerBroker, tcpNode } from "../peers/moleculer.ts";

/** Two processes joined by Moleculer's TCP transporter: they talk directly, with nobody in between. */
export async function open(): Promise<Subject> {
  const ports = { requester: await freePort(), handler: await freePort() };
  const handler = await startProcess(new URL("./moleculer-tcp-handler.ts", import.meta.url), [
    String(ports.requester),
    String(ports.handler),
  ]);
  const broker = await createMoleculerBroker(tcpNode("requester", ports));
  await broker.start();
  await broker.waitForServices("orders");
  const call = async (): Promise<void> => assertPayload(await broker.call("orders.echo", payload));
  return {
    measure: (inFlight, durationMs) => keepInFlight(inFlight, durationMs, call),
    close: async () => {
      await broker.stop();
      await handler.stop();
    },
  };
}
