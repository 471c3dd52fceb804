/** Whoever runs the hub ends, again and again, under messages of every kind. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { atMostOnce } from "../checkers/at-most-once.ts";
import { deadLetters } from "../checkers/dead-letters.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { keyOrder } from "../checkers/order.ts";
import { owner, pick, shortJumpMs } from "../faults.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

export const takeoverScenario: Scenario = {
  name: "takeover",
  faults: ["kill", "kill-in-commit", "leave", "power-cut", "disk", "hang-up"],
  jumpMsMax: shortJumpMs,
  targets: [owner],
  checkers: [atMostOnce, atLeastOnce, effectsOnce, keyOrder, deadLetters],
  stage(random, messages) {
    const [first = [], second = []] = drawOrders(random, messages, 2, (draw) => ({
      guarantee: pick(draw, ["at-most-once", "at-least-once", "exactly-once"] as const),
      ...(draw.uint32() % 2 === 0 ? {} : { key: pick(draw, ["a", "b", "c"]) }),
    }));
    return {
      programs: {
        "worker-1": worker("worker-1", { type: "worker", capacity: 4 }),
        "worker-2": worker("worker-2", { type: "worker", capacity: 4 }),
        "sender-1": sender(first),
        "sender-2": sender(second),
      },
      drivers: ["sender-1", "sender-2"],
    };
  },
};
