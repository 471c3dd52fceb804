import type { Subject } from "../../harness/subject.ts";
import { Backlog } from "../../subjects/colloquy-waiting-work.ts";
import { Growing } from "../growing.ts";

const inFlight = 256;

/** The consumer comes for each measurement and goes after it; what it took of the backlog is sent again. */
export async function open(): Promise<Subject> {
  const backlog = await Backlog.open();
  const messages = new Growing((count) => backlog.add(count));
  return {
    measure: async (level, durationMs) => {
      const setUpMicroseconds = await messages.to(level);
      await backlog.add(level - backlog.waiting);
      const sample = await backlog.work(inFlight, durationMs);
      return { ...sample, setUpMicroseconds };
    },
    close: () => backlog.close(),
  };
}
