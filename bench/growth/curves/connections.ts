import type { BenchProcess } from "../../harness/process.ts";
import type { Subject } from "../../harness/subject.ts";
import { openFabric } from "../directory-of-processes.ts";
import { Growing } from "../growing.ts";
import { requesterOf } from "../requester.ts";

/** Connections of one process: a process may not have all that many open files. */
const perProcess = 2_500;

export async function open(): Promise<Subject> {
  const fabric = await openFabric();
  const request = await requesterOf(fabric);
  const clients: BenchProcess[] = [];
  let there = 0;
  const connections = new Growing(async (count) => {
    for (let left = count; left > 0; ) {
      if (there % perProcess === 0) {
        clients.push(await fabric.start(new URL("../idle-clients.ts", import.meta.url)));
      }
      const some = Math.min(left, perProcess - (there % perProcess));
      await clients.at(-1)?.ask(some);
      there += some;
      left -= some;
    }
  });
  return {
    measure: async (level, durationMs) => {
      const setUpMicroseconds = await connections.to(level);
      const sample = await request(durationMs);
      const memoryMiB = await fabric.memoryMiB();
      return { ...sample, memoryMiB, setUpMicroseconds };
    },
    close: fabric.close,
  };
}
