/** Poison, little room for dead letters, and a clerk who empties them from time to time. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { deadLetters } from "../checkers/dead-letters.ts";
import { effectsOnce } from "../checkers/effects.ts";
import type { ScenarioEvent } from "../events.ts";
import { everyFault, shortJumpMs } from "../faults.ts";
import { drawOrders, type Payload, sender, worker } from "../orders.ts";
import type { Program } from "../process.ts";
import type { Scenario } from "./scenario.ts";

const deadLettersMax = 6;

export const deadLettersScenario: Scenario = {
  name: "dead-letters",
  faults: everyFault,
  jumpMsMax: shortJumpMs,
  checkers: [deadLetters, atLeastOnce, effectsOnce],
  limits: { deadLettersMax },
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, (draw) => ({
      failures: draw.uint32() % 4 === 0 ? Number.POSITIVE_INFINITY : 0,
      workMs: Math.round(draw.float() * 10),
    }));
    return {
      programs: {
        worker: worker("worker", { type: "worker", capacity: 3 }),
        sender: sender(orders),
        clerk,
      },
      drivers: ["sender"],
    };
  },
};

/** Writes each dead letter down, then deletes it; both again where it dies in between. */
const clerk: Program<ScenarioEvent> = async (process) => {
  const net = await process.join();
  for (;;) {
    await process.sleep(200);
    for await (const { id, payload } of net.dead.list()) {
      process.record({ kind: "dead-letter", id: (payload as Payload).id, letter: id });
      await net.dead.purge(id).catch(() => 0);
    }
  }
};
