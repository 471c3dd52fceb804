/** Everything is sent at once, in four classes alike, to a worker that needs its time. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { priorityShares } from "../checkers/priority.ts";
import { pick, wallClockMsMax } from "../faults.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

const classes = ["critical", "high", "normal", "low"] as const;

export const prioritiesScenario: Scenario = {
  name: "priorities",
  faults: ["cut", "hang-up", "partition"],
  jumpMsMax: wallClockMsMax,
  checkers: [priorityShares, atLeastOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, (_draw, index) => ({
      priority: classes[index % classes.length] as (typeof classes)[number],
      guarantee: pick(random, ["at-least-once", "exactly-once"] as const),
      failures: 0,
      workMs: 20,
      pauseMs: 0,
    }));
    return {
      programs: {
        // Comes first and so runs the hub, and handles everything: no fault separates them.
        worker: worker("worker", { type: "worker", capacity: 2 }),
        sender: sender(orders),
      },
      drivers: ["sender"],
    };
  },
};
