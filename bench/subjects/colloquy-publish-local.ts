import { join } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { inBursts } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import type { Subject } from "../harness/subject.ts";

/** What `join()` gives, in a directory of its own. */
export async function open(): Promise<Subject> {
  const directory = temporaryDirectory();
  const net = await join(`embedded:${directory.path}`);
  const publisher = await net.agent("publisher");
  const ledger = await net.agent("ledger");
  let delivered = 0;
  await ledger.subscribe("order.placed", () => {
    delivered += 1;
  });
  return {
    measure: (_inFlight, durationMs) =>
      inBursts(
        durationMs,
        () => publisher.publish("order.placed", payload),
        () => delivered,
      ),
    close: async () => {
      await net.close();
      directory.remove();
    },
  };
}
