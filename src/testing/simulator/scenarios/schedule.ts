/** Orders for later, through kills and clocks that jump. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { punctuality, schedule } from "../checkers/schedule.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

export const scheduleScenario: Scenario = {
  name: "schedule",
  faults: ["kill", "kill-in-commit", "leave", "power-cut", "cut", "hang-up", "disk", "wall-clock"],
  checkers: [schedule, punctuality, atLeastOnce, effectsOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, (draw) => ({
      failures: 0,
      delayMs: 1 + Math.round(draw.float() ** 2 * 1_500),
      guarantee: draw.uint32() % 2 === 0 ? "exactly-once" : "at-least-once",
    }));
    return {
      programs: {
        "worker-1": worker("worker-1", { type: "worker", capacity: 10 }),
        "worker-2": worker("worker-2", { type: "worker", capacity: 10 }),
        sender: sender(orders),
      },
      drivers: ["sender"],
    };
  },
};
