import { join } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { startProcess } from "../harness/process.ts";
import { residentMemory } from "../harness/resident-memory.ts";
import type { Subject } from "../harness/subject.ts";

export async function open(): Promise<Subject> {
  const directory = temporaryDirectory();
  const owner = await startProcess(new URL("./colloquy-owner.ts", import.meta.url), [
    directory.path,
  ]);
  const net = await join(`embedded:${directory.path}`);
  return {
    measure: async (agents) => {
      const before = await residentMemory();
      for (let number = 0; number < agents; number++) {
        const agent = await net.agent(`agent-${number}`, { type: "idle" });
        agent.handle("orders.echo", (order) => order);
      }
      const each = ((await residentMemory()) - before) / agents;
      const asker = await net.agent("asker");
      const answer = await asker.request(`agent:agent-${agents - 1}`, "orders.echo", 42);
      if (answer !== 42) throw new Error("an idle agent does not answer");
      return { value: each };
    },
    close: async () => {
      await net.close();
      await owner.stop();
      directory.remove();
    },
  };
}
