/** The tests of what stands on a broker, agents and networks, to be run over a broker of one's choice. */
import { describe } from "vitest";
import type { ServerName } from "../../scripts/brokers/servers.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { FaultProxy } from "../../src/testing/fault-proxy.ts";
import { extent } from "./extent.ts";
import { type OpenPlace, overBroker } from "./fabric.ts";
import { overServer } from "./servers/over-servers.ts";
import { openAt } from "./servers/servers.ts";

const suites: Readonly<Record<string, () => Promise<unknown>>> = {
  requests: () => import("../agent/requests.test.ts"),
  streams: () => import("../agent/streams.test.ts"),
  topics: () => import("../agent/topics.test.ts"),
  commands: () => import("../agent/commands.test.ts"),
  "the life of a command": () => import("../agent/life-cycle.test.ts"),
  "dead letters": () => import("../network/dead-letters.test.ts"),
  causality: () => import("../agent/causality.test.ts"),
  deadlocks: () => import("../agent/deadlocks.test.ts"),
  "requests and sends under policies": () => import("../agent/asking.test.ts"),
  batches: () => import("../agent/batches.test.ts"),
  "send windows": () => import("../agent/send-window.test.ts"),
  "full inboxes": () => import("../agent/full-inbox.test.ts"),
  "staged sends": () => import("../agent/staged-sends.test.ts"),
  neighbours: () => import("../agent/neighbours.test.ts"),
  serving: () => import("../agent/serving.test.ts"),
  progress: () => import("../agent/progress.test.ts"),
  failures: () => import("../agent/failures.test.ts"),
  "aborted sends": () => import("../agent/aborted-sends.test.ts"),
  "after close": () => import("../agent/after-close.test.ts"),
  twins: () => import("../agent/twins.test.ts"),
  networks: () => import("../network/network.test.ts"),
  routing: () => import("../network/routing.test.ts"),
  signals: () => import("../network/signals.test.ts"),
};

/** Nobody loses what it holds because the machine has stood still. */
const leaseMs = 10_000;
/** Of each chunk that passes. */
const lagsMs = [0, 1, 10, 40] as const;

/** Elsewhere than in CI a few of them: memory has all, in every run. */
const every = extent({ ci: 1, here: 6 });

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

/**
 * Over a real server, which goes with the test file. With COLLOQUY_LAG=N every process has links of its own
 * slowness in each direction, drawn from N: so what one of them hears of the others comes in other orders.
 */
export function agentSuitesAtServer(name: ServerName): void {
  overServer(name, (server) => {
    let places = 0;
    agentSuites(async () => {
      const shared = await server();
      const prefix = `place-${++places}`;
      const lag = process.env["COLLOQUY_LAG"];
      if (lag === undefined) {
        return { connect: () => openAt(shared.placeUrl(prefix, leaseMs)), remove: async () => {} };
      }
      const random = new SeededRandom(Number(lag) * 1_000 + places);
      const proxies: FaultProxy[] = [];
      return {
        connect: async () => {
          const proxy = await FaultProxy.open({ target: { port: shared.port }, random });
          proxies.push(proxy);
          for (const direction of ["to-target", "to-client"] as const) {
            proxy.set(direction, { delayMs: lagsMs[random.uint32() % lagsMs.length] as number });
          }
          return openAt(shared.placeUrl(prefix, leaseMs, proxy.port));
        },
        remove: async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))),
      };
    });
  });
}
