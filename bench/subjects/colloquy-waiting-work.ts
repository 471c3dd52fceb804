import { type Agent, join } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import type { Sample, Subject } from "../harness/subject.ts";

const fillInFlight = 1_024;

/** A mailbox in which `waiting` commands wait before somebody takes any. */
export async function openWaiting(waiting: number): Promise<Subject> {
  const directory = temporaryDirectory();
  const start = (name: string) =>
    startProcess(new URL(`./${name}.ts`, import.meta.url), [directory.path]);
  const owner = await start("colloquy-owner");
  const net = await join(`embedded:${directory.path}`);
  const producer = await net.agent("producer");
  await net.mailboxes.declare("type:pool");
  await fill(producer, waiting);
  const bytes = Number(await owner.ask(undefined));
  const consumer = await start("colloquy-handler");
  return {
    measure: async (inFlight, durationMs): Promise<Sample> => {
      const startMs = performance.now();
      const before = Number(await consumer.ask(undefined));
      const sent = await keepInFlight(inFlight, durationMs, () =>
        producer.send("type:pool", "orders.book", payload),
      );
      const settled = Number(await consumer.ask(undefined)) - before;
      const settledRate = (settled / (performance.now() - startMs)) * 1_000;
      return { value: (sent.value + settledRate) / 2, memoryMiB: bytes / 2 ** 20 };
    },
    close: async () => {
      await net.close();
      await consumer.stop();
      await owner.stop();
      directory.remove();
    },
  };
}

async function fill(producer: Agent, waiting: number): Promise<void> {
  let begun = 0;
  const loop = async (): Promise<void> => {
    while (begun++ < waiting) await producer.send("type:pool", "orders.book", payload);
  };
  await Promise.all(Array.from({ length: fillInFlight }, loop));
}
