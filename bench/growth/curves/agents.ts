import { keepInFlight } from "../../harness/loops.ts";
import { assertPayload, payload } from "../../harness/payload.ts";
import type { Subject } from "../../harness/subject.ts";
import { openFabric } from "../directory-of-processes.ts";
import { Growing } from "../growing.ts";

const inFlight = 64;

export async function open(): Promise<Subject> {
  const fabric = await openFabric();
  const home = await fabric.start(new URL("../many-agents.ts", import.meta.url));
  let memoryMiB = 0;
  const agents = new Growing(async (count) => {
    memoryMiB = Number(await home.ask(count)) / 2 ** 20;
  });
  const requester = await fabric.net.agent("requester");
  return {
    measure: async (level, durationMs) => {
      const setUpMicroseconds = await agents.to(level);
      await fabric.net.waitFor({ type: "many" }, { count: level });
      const sample = await keepInFlight(inFlight, durationMs, async () => {
        const number = Math.floor(Math.random() * level);
        assertPayload(await requester.request(`agent:many-${number}`, "orders.echo", payload));
      });
      return { ...sample, memoryMiB, setUpMicroseconds };
    },
    close: fabric.close,
  };
}
