import { type Agent, join } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { startProcess } from "../harness/process.ts";
import { residentMemory } from "../harness/resident-memory.ts";
import type { Subject } from "../harness/subject.ts";

const atATime = 1_000;

/** @param prepare - makes of a new agent what is to be idle. */
export async function openIdleAgents(prepare: (agent: Agent) => Promise<void>): Promise<Subject> {
  const directory = temporaryDirectory();
  await startProcess(new URL("./colloquy-owner.ts", import.meta.url), [directory.path, "remove"]);
  const net = await join(`embedded:${directory.path}`);
  let there = 0;
  const add = async (): Promise<void> => {
    await prepare(await net.agent(`agent-${there++}`, { type: "idle" }));
  };
  return {
    measure: async (agents) => {
      const before = await residentMemory();
      for (let left = agents; left > 0; left -= atATime) {
        await Promise.all(Array.from({ length: Math.min(left, atATime) }, add));
      }
      const each = ((await residentMemory()) - before) / agents;
      const there = net.find({ type: "idle" }).length;
      if (there !== agents) throw new Error(`${there} agents of ${agents}`);
      return { value: each };
    },
    // 100,000 agents that leave in order would take a while, and tell nobody anything. This process just
    // ends, and the owner, which would have a successor in it if it went first, ends after it.
    close: async () => {},
  };
}
