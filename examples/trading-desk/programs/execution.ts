/**
 * A worker of the execution pool. Orders wait in the pool's mailbox until a worker has room. What
 * the handler sends through its context leaves when the handler has returned, in one transaction
 * with the end of its order: a worker that was killed has either sent the fill or done nothing.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Execution, Ledger, Work } from "../protocol.ts";
import { execute } from "../rules/exchange.ts";
import { runProgram } from "./program.ts";

/** Pretended: what the exchange takes to answer. */
const exchangeMs = 25;

const [name = "execution"] = process.argv.slice(2);

await runProgram(async (net) => {
  const worker = await net.agent(name, { type: "execution", capacity: 16 });

  worker.handle(Execution.executeOrder, async (order, ctx) => {
    const command = Execution.executeOrder.name;
    await worker.publish(Work.begun, { command, orderId: order.id, agent: name });
    await pause(exchangeMs);
    ctx.send("agent:ledger", Ledger.bookFill, execute(order), { guarantee: "exactly-once" });
  });
  return [worker];
});
