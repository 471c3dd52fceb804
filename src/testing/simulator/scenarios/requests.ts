/** Requests and streams to a pool, through broken links, dying hubs and dying handlers. */
import { requests } from "../checkers/requests.ts";
import { answers, asks } from "../conversations.ts";
import { everyFault, wallClockMsMax } from "../faults.ts";
import type { Scenario } from "./scenario.ts";

export const requestsScenario: Scenario = {
  name: "requests",
  faults: everyFault.filter((kind) => kind !== "disk"),
  jumpMsMax: wallClockMsMax,
  checkers: [requests],
  stage(random, messages) {
    const half = Math.ceil(messages / 2);
    const streams = random.uint32() % 2 === 0 ? 4 : 0;
    return {
      programs: {
        "oracle-1": answers("oracle-1"),
        "oracle-2": answers("oracle-2"),
        "asker-1": asks(random, 0, half, streams),
        "asker-2": asks(random, half, messages - half, streams),
      },
      drivers: ["asker-1", "asker-2"],
    };
  },
};
