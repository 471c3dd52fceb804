/** The three processes of a workload across processes: this one, the owner of the store, a handler. */
import { type Agent, join } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";

/** The owner comes first, so that neither end of the work has the store on its side. */
export async function openProcesses(
  measureWith: (agent: Agent) => Subject["measure"],
): Promise<Subject> {
  const directory = temporaryDirectory();
  const process = (name: string) =>
    startProcess(new URL(`./${name}.ts`, import.meta.url), [directory.path]);
  const owner = await process("colloquy-owner");
  const handler = await process("colloquy-handler");
  const net = await join(`embedded:${directory.path}`);
  const agent = await net.agent("requester");
  await net.waitFor({ id: "handler" });
  return {
    measure: measureWith(agent),
    close: async () => {
      await net.close();
      await handler.stop();
      await owner.stop();
      directory.remove();
    },
  };
}
