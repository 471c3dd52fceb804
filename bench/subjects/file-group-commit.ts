/** The floor of durable work: `inFlight` records appended to a file in one write, then one fsync. */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { temporaryDirectory } from "../harness/directory.ts";
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import type { Sample, Subject } from "../harness/subject.ts";

export async function open(): Promise<Subject> {
  const directory = temporaryDirectory();
  const file = openSync(`${directory.path}/log`, "a");
  const record = JSON.stringify(payload);
  return {
    measure: async (inFlight, durationMs): Promise<Sample> => {
      const group = Buffer.from(record.repeat(inFlight));
      const groups = await keepInFlight(1, durationMs, async () => {
        writeSync(file, group);
        fsyncSync(file);
      });
      return { ...groups, value: groups.value * inFlight };
    },
    close: async () => {
      closeSync(file);
      directory.remove();
    },
  };
}
