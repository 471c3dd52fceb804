import { join } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { oneAfterTheOther } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import type { Subject } from "../harness/subject.ts";

/** What `join()` gives, in a directory of its own. */
export async function open(): Promise<Subject> {
  const directory = temporaryDirectory();
  const net = await join(`embedded:${directory.path}`);
  const requester = await net.agent("requester");
  const handler = await net.agent("handler");
  handler.handle("orders.echo", async (order) => order);
  return {
    measure: (_inFlight, durationMs) =>
      oneAfterTheOther(durationMs, () =>
        requester.request("agent:handler", "orders.echo", payload),
      ),
    close: async () => {
      await net.close();
      directory.remove();
    },
  };
}
