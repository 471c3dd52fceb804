import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What this process holds once what it no longer uses has been collected, bytes. */
export async function residentMemory(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // What a collection frees may need a turn, and another collection, to be let go.
  for (let turn = 0; turn < 3; turn++) {
    collect();
    await sleep(50);
  }
  return process.memoryUsage.rss();
}
