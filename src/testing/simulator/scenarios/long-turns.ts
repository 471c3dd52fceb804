/** Handlers that take their time, while links break and the hub changes hands: each runs to its end. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { undisturbed } from "../checkers/leases.ts";
import { shortJumpMs } from "../faults.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

export const longTurnsScenario: Scenario = {
  name: "long-turns",
  faults: ["kill", "leave", "kill-in-commit", "cut", "hang-up"],
  jumpMsMax: shortJumpMs,
  targets: ["hub-1", "hub-2"],
  checkers: [undisturbed, atLeastOnce, effectsOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, (draw) => ({
      failures: draw.uint32() % 8 === 0 ? 1 : 0,
      workMs: 100 + Math.round(draw.float() * 900),
    }));
    return {
      programs: {
        "hub-1": async (process) => void (await process.join()),
        "hub-2": async (process) => void (await process.join()),
        "worker-1": worker("worker-1", { type: "worker", capacity: 20 }),
        "worker-2": worker("worker-2", { type: "worker", capacity: 20 }),
        sender: sender(orders),
      },
      drivers: ["sender"],
    };
  },
};
