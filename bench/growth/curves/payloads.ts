import { randomBytes } from "node:crypto";
import { keepInFlight } from "../../harness/loops.ts";
import type { Subject } from "../../harness/subject.ts";
import { openFabric } from "../directory-of-processes.ts";

/** More of the largest would be dropped: a hub keeps 4 MiB of live messages for who does not read. */
const inFlight = 2;

export async function open(): Promise<Subject> {
  const fabric = await openFabric();
  await fabric.start(new URL("../../subjects/colloquy-handler.ts", import.meta.url));
  const agent = await fabric.net.agent("requester");
  await fabric.net.waitFor({ id: "handler" });
  return {
    measure: (level, durationMs) => {
      const bytes = new Uint8Array(randomBytes(level));
      return keepInFlight(inFlight, durationMs, async () => {
        const answer = (await agent.request("agent:handler", "orders.echo", bytes)) as Uint8Array;
        if (Buffer.compare(answer, bytes) !== 0) throw new Error("other bytes came back");
      });
    },
    close: fabric.close,
  };
}
