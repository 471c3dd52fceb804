import { join } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import type { Sample, Subject } from "../harness/subject.ts";

const messages = 1_000_000;

export async function open(): Promise<Subject> {
  const directory = temporaryDirectory();
  const owner = await startProcess(new URL("./colloquy-owner.ts", import.meta.url), [
    directory.path,
  ]);
  const net = await join(`embedded:${directory.path}`);
  const producer = await net.agent("producer");
  await net.mailboxes.declare("type:absent");
  return {
    measure: async (inFlight): Promise<Sample> => {
      let begun = 0;
      const loop = async (): Promise<void> => {
        while (begun++ < messages) await producer.send("type:absent", "orders.book", payload);
      };
      await Promise.all(Array.from({ length: inFlight }, loop));
      const bytes = Number(await owner.ask(undefined));
      return { value: bytes / 2 ** 20 };
    },
    close: async () => {
      await net.close();
      await owner.stop();
      directory.remove();
    },
  };
}
