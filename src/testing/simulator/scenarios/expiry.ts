/** Orders that are worth nothing after a moment, more than can be handled by then. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { expiry } from "../checkers/schedule.ts";
import type { ScenarioEvent } from "../events.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Program } from "../process.ts";
import type { Scenario } from "./scenario.ts";

export const expiryScenario: Scenario = {
  name: "expiry",
  faults: ["kill", "kill-in-commit", "leave", "power-cut", "cut", "hang-up", "disk", "wall-clock"],
  share: 2,
  checkers: [expiry, atLeastOnce, effectsOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, (draw) => ({
      failures: 0,
      workMs: Math.round(draw.float() * 30),
      ...(draw.uint32() % 4 === 0 ? {} : { ttlMs: 5 + Math.round(draw.float() * 300) }),
    }));
    // In every third run nobody is there to handle anything for a while.
    const absentMs = random.uint32() % 3 === 0 ? 6_000 + random.float() * 2_000 : 0;
    return {
      programs: {
        worker: after(absentMs, worker("worker", { type: "worker", capacity: 2 })),
        other: after(absentMs, worker("other", { type: "worker", capacity: 1 })),
        sender: sender(orders),
      },
      drivers: ["sender"],
    };
  },
};

function after(ms: number, program: Program<ScenarioEvent>): Program<ScenarioEvent> {
  return async (process) => {
    await process.sleep(ms);
    await program(process);
  };
}
