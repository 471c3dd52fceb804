import { inBursts } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import type { Subject } from "../harness/subject.ts";
import { createMoleculerBroker } from "../peers/moleculer.ts";

export async function open(): Promise<Subject> {
  let delivered = 0;
  const broker = await createMoleculerBroker();
  broker.createService({
    name: "ledger",
    events: {
      "order.placed": () => {
        delivered += 1;
      },
    },
  });
  await broker.start();
  return {
    measure: (_inFlight, durationMs) =>
      inBursts(
        durationMs,
        () => broker.emit("order.placed", payload),
        () => delivered,
      ),
    close: () => broker.stop(),
  };
}
