/** Orders that two senders both send, under the same ids, and again after each of their deaths. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { deadLetters } from "../checkers/dead-letters.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { everyFault, shortJumpMs } from "../faults.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Scenario } from "./scenario.ts";

export const exactlyOnceScenario: Scenario = {
  name: "exactly-once",
  faults: everyFault,
  jumpMsMax: shortJumpMs,
  checkers: [atLeastOnce, effectsOnce, deadLetters],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, () => ({ guarantee: "exactly-once" }));
    return {
      programs: {
        "worker-1": worker("worker-1", { type: "worker", capacity: 4 }),
        "worker-2": worker("worker-2", { type: "worker", capacity: 4 }),
        "sender-1": sender(orders),
        "sender-2": sender(orders.filter(() => random.uint32() % 2 === 0)),
      },
      drivers: ["sender-1", "sender-2"],
    };
  },
};
