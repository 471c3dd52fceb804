/** Messages of which each may be lost and none started twice. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { atMostOnce } from "../checkers/at-most-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { everyFault, shortJumpMs } from "../faults.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

export const atMostOnceScenario: Scenario = {
  name: "at-most-once",
  faults: everyFault,
  jumpMsMax: shortJumpMs,
  share: 2,
  checkers: [atMostOnce, atLeastOnce, effectsOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, (draw) => ({
      guarantee: draw.uint32() % 4 === 0 ? "at-least-once" : "at-most-once",
    }));
    return {
      programs: {
        "worker-1": worker("worker-1", { type: "worker", capacity: 3 }),
        "worker-2": worker("worker-2", { type: "worker", capacity: 3 }),
        sender: sender(orders),
      },
      drivers: ["sender"],
    };
  },
};
