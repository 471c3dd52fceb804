/** How long a client waits before it connects again. On a virtual clock. */
import { expect, test } from "vitest";
import type { BrokerStatus } from "../../../src/broker/broker.ts";
import { openHubBroker } from "../../../src/broker/hub.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import { ColloquyError } from "../../../src/errors.ts";
import { Hub } from "../../../src/hub/hub.ts";
import type { Link } from "../../../src/link/link.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { MemoryNetwork } from "../../../src/testing/memory-network.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

test("waits are drawn from all of 0 to a ceiling that doubles from 100 ms to 2 s", async () => {
  const clock = new VirtualClock();
  const broker = openMemoryBroker({ clock });
  const hub = new Hub({ broker, clock, id: "hub" });
  const network = new MemoryNetwork({ clock, random: new SeededRandom(1) });
  await clock.until(network.listen("hub", (link) => hub.accept(link)));
  const dial = network.connect("hub", "client");
  const random = new SeededRandom(7);
  const attemptsMs: number[] = [];
  let first: Link | undefined;
  const client = await clock.until(
    openHubBroker({
      clock,
      random,
      name: "client",
      limits: { backoffMinMs: 100, backoffMaxMs: 2_000 },
      connect: async (signal) => {
        if (first !== undefined) {
          attemptsMs.push(clock.monotonicMs());
          throw new ColloquyError("AGENT_UNREACHABLE", `nobody there at ${clock.monotonicMs()}`);
        }
        first = await dial(signal);
        return first;
      },
    }),
  );
  const told: BrokerStatus[] = [];
  void (async () => {
    for await (const status of client.statuses(new AbortController().signal)) told.push(status);
  })();
  const lostMs = clock.monotonicMs();
  first?.destroy();
  await clock.advance(300_000);
  const waits = attemptsMs.map((atMs, index) => atMs - (attemptsMs[index - 1] ?? lostMs));
  const shares = waits.map((wait, index) => wait / Math.min(2_000, 100 * 2 ** index));
  expect(waits.length).toBeGreaterThan(200);
  expect(Math.max(...shares)).toBeLessThan(1.001);
  // Each attempt is told with its number, its wait, and why the one before it failed.
  expect(told.shift()).toEqual({ kind: "ready" });
  for (const [index, waitMs] of waits.entries()) {
    const status = told[index];
    expect(status).toMatchObject({ kind: "lost", attempt: index + 1 });
    if (status?.kind !== "lost") continue;
    expect(status.delayMs).toBeCloseTo(waitMs, 3);
    const reason = index === 0 ? /broke/ : `nobody there at ${attemptsMs[index - 1]}`;
    expect(status.cause).toMatchObject({ message: expect.stringMatching(reason) });
  }
  // Full jitter: uniform, so that clients which lost one hub together do not come back together.
  for (let tenth = 0; tenth < 10; tenth++) {
    const within = shares.filter((share) => Math.floor(share * 10) === tenth).length;
    expect(within / shares.length).toBeGreaterThan(0.04);
  }
  // Who does not read is kept the latest of them, and not all.
  const lagging = client.statuses(new AbortController().signal)[Symbol.asyncIterator]();
  await clock.advance(60_000);
  await clock.until(client.close());
  expect((await lagging.next()).value).toBe(told.at(-2));
  expect(await lagging.next()).toMatchObject({ value: { kind: "closed" } });
  await clock.until(hub.close());
});
