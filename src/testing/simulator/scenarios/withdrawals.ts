/** Orders that are given up or taken back, before, while and after they are handled. */
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { withdrawals } from "../checkers/withdrawals.ts";
import type { ScenarioEvent } from "../events.ts";
import { everyFault, pick, shortJumpMs } from "../faults.ts";
import { drawOrders, sender, worker } from "../orders.ts";
import type { Program } from "../process.ts";
import type { Scenario } from "./scenario.ts";

export const withdrawalsScenario: Scenario = {
  name: "withdrawals",
  faults: everyFault,
  jumpMsMax: shortJumpMs,
  checkers: [withdrawals, atLeastOnce, effectsOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, (draw) => ({
      guarantee: pick(draw, ["at-least-once", "exactly-once"] as const),
      workMs: Math.round(draw.float() * 40),
      ...(draw.uint32() % 4 === 0 ? { delayMs: Math.round(draw.float() * 300) } : {}),
    }));
    return {
      programs: {
        worker: worker("worker", { type: "worker", capacity: 3 }),
        sender: sender(orders),
        regret,
      },
      drivers: ["sender"],
    };
  },
};

/** Looks at what was acknowledged, and withdraws every third, from a process that did not send it. */
const regret: Program<ScenarioEvent> = async (process) => {
  const net = await process.join();
  let seen = 0;
  for (;;) {
    await process.sleep(10);
    const fresh = process.history.slice(seen);
    seen = process.history.length;
    for (const event of fresh) {
      if (event.kind !== "acknowledged" || process.random.uint32() % 3 !== 0) continue;
      const { id } = event;
      const how = pick(process.random, ["cancel", "rescind"] as const);
      process.record({ kind: "withdrawing", id, how });
      void net
        .track(event.receipt)
        [how]()
        .then((answer) => process.record({ kind: "withdrawn", id, how, answer }))
        .catch(() => {});
    }
  }
};
