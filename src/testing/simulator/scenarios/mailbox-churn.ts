/** Mailboxes that come and go while orders are sent to them. */

import { atMostOnce } from "../checkers/at-most-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { removals } from "../checkers/removals.ts";
import type { ScenarioEvent } from "../events.ts";
import { everyFault, pick, shortJumpMs } from "../faults.ts";
import { drawOrders, type Order, sender, worker } from "../orders.ts";
import type { Program } from "../process.ts";
import type { Scenario } from "./scenario.ts";

const addresses = ["agent:a", "agent:b", "agent:c"] as const;

export const mailboxChurnScenario: Scenario = {
  name: "mailbox-churn",
  faults: everyFault,
  jumpMsMax: shortJumpMs,
  checkers: [removals, effectsOnce, atMostOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(
      random,
      messages,
      1,
      (draw): Partial<Order> => ({
        to: pick(draw, addresses),
        guarantee: pick(draw, ["at-most-once", "at-least-once"] as const),
        ...(draw.uint32() % 3 === 0 ? { key: pick(draw, ["x", "y"]) } : {}),
        ...(draw.uint32() % 5 === 0 ? { delayMs: Math.round(draw.float() * 200) } : {}),
      }),
    );
    return {
      programs: {
        "process-a": worker("a", { capacity: 2 }),
        "process-b": worker("b", { capacity: 2 }),
        "process-c": worker("c", { capacity: 2 }),
        sender: sender(orders),
        churn,
      },
      drivers: ["sender", "churn"],
    };
  },
};

/** Removes a mailbox with all that is in it, and makes it again, some times. */
const churn: Program<ScenarioEvent> = async (process) => {
  const net = await process.join();
  for (let round = 0; round < 5; round++) {
    await process.sleep(20 + process.random.float() * 60);
    const address = pick(process.random, addresses);
    await net.mailboxes.remove(address).catch(() => {});
    if (process.random.uint32() % 2 === 0) await process.sleep(process.random.float() * 20);
    await net.mailboxes.declare(address).catch(() => {});
  }
  // Whatever failed or was cut short: in the end all of them are there.
  await net.mailboxes.declare(addresses);
};
