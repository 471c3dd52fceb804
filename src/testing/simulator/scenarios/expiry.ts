/** Orders that are worth nothing after a moment, more than can be handled by then. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { expiry } from "../checkers/schedule.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

export const expiryScenario: Scenario = {
  name: "expiry",
  faults: ["kill", "kill-in-commit", "leave", "power-cut", "cut", "hang-up", "disk", "wall-clock"],
  checkers: [expiry, atLeastOnce, effectsOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, (draw) => ({
      failures: 0,
      workMs: Math.round(draw.float() * 30),
      ...(draw.uint32() % 4 === 0 ? {} : { ttlMs: 5 + Math.round(draw.float() * 300) }),
    }));
    return {
      programs: {
        worker: worker("worker", { type: "worker", capacity: 2 }),
        other: worker("other", { type: "worker", capacity: 1 }),
        sender: sender(orders),
      },
      drivers: ["sender"],
    };
  },
};
