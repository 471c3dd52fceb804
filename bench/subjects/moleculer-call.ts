import { oneAfterTheOther } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import type { Subject } from "../harness/subject.ts";
import { createMoleculerBroker, echoService } from "../peers/moleculer.ts";

export async function open(): Promise<Subject> {
  const broker = await createMoleculerBroker();
  broker.createService(echoService);
  await broker.start();
  return {
    measure: (_inFlight, durationMs) =>
      oneAfterTheOther(durationMs, () => broker.call("orders.echo", payload)),
    close: () => broker.stop(),
  };
}
