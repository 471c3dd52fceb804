import { join } from "../../src/index.ts";
import { serve } from "../harness/process.ts";
import { residentMemory } from "../harness/resident-memory.ts";

const atATime = 1_000;

/** Adds as many agents as it is told, each with a handler. Answers with its resident memory, bytes. */
await serve(async () => {
  const [directory] = process.argv.slice(2);
  const net = await join(`embedded:${directory}`);
  let there = 0;
  const add = async (): Promise<void> => {
    const agent = await net.agent(`many-${there++}`, { type: "many" });
    agent.handle("orders.echo", async (order) => order);
    await agent.ready();
  };
  return {
    answer: async (count) => {
      for (let left = Number(count); left > 0; left -= atATime) {
        await Promise.all(Array.from({ length: Math.min(left, atATime) }, add));
      }
      return residentMemory();
    },
    close: () => net.close(),
  };
});
