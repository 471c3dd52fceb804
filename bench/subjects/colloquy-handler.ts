import { join } from "../../src/index.ts";
import { serve } from "../harness/process.ts";

const capacity = 256;

/** Answers requests with their input, and takes commands of `type:pool` by looking at them. */
await serve(async () => {
  const [directory] = process.argv.slice(2);
  const net = await join(`embedded:${directory}`);
  const agent = await net.agent("handler", { type: "pool", capacity });
  agent.handle("orders.echo", async (order) => order);
  agent.handle("orders.book", async () => {});
  await agent.ready();
  return { close: () => net.close() };
});
