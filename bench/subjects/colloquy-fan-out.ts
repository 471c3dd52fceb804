import { join } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { FanOut, type Report } from "../harness/fan-out.ts";
import { payload } from "../harness/payload.ts";
import { type BenchProcess, startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";

/** One process publishes, one owns the store, and each subscriber is a process. */
export async function open(): Promise<Subject> {
  const directory = temporaryDirectory();
  const start = (name: string, ...args: string[]) =>
    startProcess(new URL(`./${name}.ts`, import.meta.url), [directory.path, ...args]);
  const owner = await start("colloquy-owner");
  const net = await join(`embedded:${directory.path}`);
  const publisher = await net.agent("publisher");
  const fanOut = new FanOut(() => void publisher.publish("order.placed", payload));
  await publisher.subscribe("order.counted", (report) => fanOut.report(report as Report));
  const subscribers: BenchProcess[] = [];
  return {
    measure: async (count, durationMs) => {
      while (fanOut.subscribers < count) {
        subscribers.push(await start("colloquy-subscriber", String(fanOut.subscribers)));
        fanOut.add();
      }
      return fanOut.measure(durationMs);
    },
    close: async () => {
      await net.close();
      for (const subscriber of subscribers) await subscriber.stop();
      await owner.stop();
      directory.remove();
    },
  };
}
