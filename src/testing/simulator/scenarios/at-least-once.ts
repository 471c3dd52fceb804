/** Two senders, a pool of two workers; handlers that fail now and then. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { deadLetters } from "../checkers/dead-letters.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { everyFault, shortJumpMs } from "../faults.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

export const atLeastOnceScenario: Scenario = {
  name: "at-least-once",
  faults: everyFault,
  jumpMsMax: shortJumpMs,
  checkers: [atLeastOnce, effectsOnce, deadLetters],
  stage(random, messages) {
    const [first = [], second = []] = drawOrders(random, messages, 2, () => ({
      to: "type:worker",
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
