// A process of the fabric: joins the place of the URL argv[2] with one agent named argv[3], of capacity argv[4], and works.
import { once } from "node:events";
import { join } from "colloquy";
import { withTimeToClaim } from "../../support/claims.ts";

const [, , url = "", id = "", capacity = "50"] = process.argv;
const net = await join(url, withTimeToClaim(url));
const agent = await net.agent(id, { type: "member", capacity: Number(capacity) });

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

agent.handle("pid", () => process.pid);
agent.handle("slow", async (ms) => {
  await wait(ms as number);
  return `${id} after ${ms}`;
});
agent.handle("count", async function* (last) {
  for (let n = 1; n <= (last as number); n++) {
    await wait(5);
    yield n;
  }
  return "counted";
});
agent.handle("pass", (way, { request }) => {
  const [next, ...rest] = way as readonly `agent:${string}`[];
  return next === undefined ? "done" : request(next, "pass", rest);
});
agent.handle("BOOK", async (input, { log }) => {
  await wait(2);
  log.append("bookings", input);
});
agent.handle("LONG", async (ms, { log }) => {
  process.send?.("started");
  await wait(ms as number);
  log.append("ended", id);
});
agent.handle("HELD", async (_input, { log }) => {
  const word = once(process, "message");
  process.send?.("started");
  await word;
  log.append("ended", id);
});
agent.handle("APPROVE", async (input, context) => {
  process.send?.("started");
  const name = await context.ask({ who: input });
  const sure = await context.ask("sure?");
  context.log.append("approved", { by: id, name, sure });
  return { name, sure };
});
agent.handle("POISON", () => process.kill(process.pid, "SIGKILL"));
await agent.ready();
process.send?.("ready");
