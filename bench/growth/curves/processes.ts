import type { Subject } from "../../harness/subject.ts";
import { openFabric } from "../directory-of-processes.ts";
import { Growing } from "../growing.ts";
import { requesterOf } from "../requester.ts";

export async function open(): Promise<Subject> {
  const fabric = await openFabric();
  const request = await requesterOf(fabric);
  const joiner = await fabric.start(new URL("../idle-networks.ts", import.meta.url));
  const networks = new Growing(async (count) => {
    await joiner.ask(count);
  });
  return {
    measure: async (level, durationMs) => {
      const setUpMicroseconds = await networks.to(level);
      const sample = await request(durationMs);
      const memoryMiB = await fabric.memoryMiB();
      return { ...sample, memoryMiB, setUpMicroseconds };
    },
    close: fabric.close,
  };
}
