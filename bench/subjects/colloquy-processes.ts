/** The three processes of a workload across processes: this one, the owner of the store or a server, a handler. */
import { type Agent, join } from "../../src/index.ts";
import { startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";
import { openPlace } from "./colloquy-place.ts";

/**
 * The owner comes first, so that neither end of the work has the store on its side.
 *
 * @param module - of the subject, as `openPlace` takes it.
 */
export async function openProcesses(
  module: string,
  measureWith: (agent: Agent) => Subject["measure"],
): Promise<Subject> {
  const place = await openPlace(module);
  const handler = await startProcess(new URL("./colloquy-handler.ts", import.meta.url), [
    place.url,
  ]);
  const net = await join(place.url);
  const agent = await net.agent("requester");
  await net.waitFor({ id: "handler" });
  return {
    measure: measureWith(agent),
    close: async () => {
      await net.close();
      await handler.stop();
      await place.close();
    },
  };
}
