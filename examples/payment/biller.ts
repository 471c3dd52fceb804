// A worker that charges customers through the payment service. main.ts starts it, kills it, and
// starts another.
import { ColloquyError, join } from "colloquy";
import { post } from "./service.ts";

const [url = ""] = process.argv.slice(2);
const net = await join();
const biller = await net.agent("biller", { type: "billing" });

biller.handle<{ order: string; cents: number }>("CHARGE", async ({ order, cents }, context) => {
  const { idempotencyKey: key, fence = 0, store, log } = context;

  // Outside: nothing can undo it, and this process may die before it hears of it. So every attempt says
  // what it is an attempt at, and which one it is.
  const response = await post(url, { key, fence, cents });
  if (response.status === 409)
    throw new ColloquyError("STALE_ATTEMPT", "a later attempt was there");
  if (!response.ok) throw new Error(`the payment service says ${response.status}`); // tried again
  const { receipt } = (await response.json()) as { receipt: string };

  // Inside: staged, and committed with the end of this command, once, or not at all.
  store.put(`paid/${order}`, receipt);
  log.append("payments", { order, cents, receipt });
  return receipt;
});

await biller.ready();
process.send?.("ready");
