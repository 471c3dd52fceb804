import { join } from "../../src/index.ts";
import { FanOut, type Report } from "../harness/fan-out.ts";
import { payload } from "../harness/payload.ts";
import { type BenchProcess, startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";
import { openPlace } from "./colloquy-place.ts";

/** One process publishes, one owns the store or is a server, and each subscriber is a process. */
export async function open(): Promise<Subject> {
  const place = await openPlace(import.meta.url);
  const net = await join(place.url);
  const publisher = await net.agent("publisher");
  const fanOut = new FanOut(() => void publisher.publish("order.placed", payload));
  await publisher.subscribe("order.counted", (report) => fanOut.report(report as Report));
  const subscribers: BenchProcess[] = [];
  return {
    measure: async (count, durationMs) => {
      while (fanOut.subscribers < count) {
        const args = [place.url, String(fanOut.subscribers)];
        const module = new URL("./colloquy-subscriber.ts", import.meta.url);
        subscribers.push(await startProcess(module, args));
        fanOut.add();
      }
      return fanOut.measure(durationMs);
    },
    close: async () => {
      await net.close();
      for (const subscriber of subscribers) await subscriber.stop();
      await place.close();
    },
  };
}
