/** The tests of what stands on a broker, agents and networks, to be run over a broker of one's choice. */
import { describe } from "vitest";
import { extent } from "./extent.ts";
import { type OpenPlace, overBroker } from "./fabric.ts";

const suites: Readonly<Record<string, () => Promise<unknown>>> = {
  requests: () => import("../agent/requests.test.ts"),
  streams: () => import("../agent/streams.test.ts"),
  topics: () => import("../agent/topics.test.ts"),
  commands: () => import("../agent/commands.test.ts"),
  "the life of a command": () => import("../agent/life-cycle.test.ts"),
  "dead letters": () => import("../network/dead-letters.test.ts"),
};

/** Elsewhere than in CI every second of them: memory has all, in every run. */
const every = extent({ ci: 1, here: 2 });

/** Declares them for this test file; those that need virtual time stay away. */
export function agentSuites(open: OpenPlace): void {
  overBroker(open);
  // Each in a block of its own, so that its hooks meet no other tests.
  const chosen = Object.entries(suites).filter((_, index) => index % every === 0);
  for (const [title, load] of chosen) {
    describe(title, async () => {
      await load();
    });
  }
}
