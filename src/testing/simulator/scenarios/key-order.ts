/** Few keys, many orders for each, heads that fail, and workers that take as many as they can get. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { keyOrder } from "../checkers/order.ts";
import { everyFault, pick, shortJumpMs } from "../faults.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

export const keyOrderScenario: Scenario = {
  name: "key-order",
  faults: everyFault,
  jumpMsMax: shortJumpMs,
  checkers: [keyOrder, atLeastOnce, effectsOnce],
  stage(random, messages) {
    const keys = ["a", "b", "c", "d"].slice(0, 2 + (random.uint32() % 3));
    const [first = [], second = []] = drawOrders(random, messages, 2, (draw) => ({
      key: pick(draw, keys),
      priority: pick(draw, ["normal", "normal", "high"] as const),
      guarantee: pick(draw, ["at-least-once", "exactly-once"] as const),
      workMs: Math.round(draw.float() * 8),
    }));
    return {
      programs: {
        "worker-1": worker("worker-1", { type: "worker", capacity: 5 }),
        "worker-2": worker("worker-2", { type: "worker", capacity: 5 }),
        "sender-1": sender(first),
        "sender-2": sender(second),
      },
      drivers: ["sender-1", "sender-2"],
    };
  },
};
