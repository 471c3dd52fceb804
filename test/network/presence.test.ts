import { join } from "colloquy";
import { expect, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

test("a process that stops renewing its lease is forgotten after five seconds", async () => {
  const clock = new VirtualClock();
  // The mortal's own clock: when it stands still, so does the process.
  const mortalClock = new VirtualClock({ startMs: clock.nowMs() });
  const broker = openMemoryBroker({ clock });
  const quiet = { drainOnSignals: false, onError: () => {} };
  const watching = await clock.until(join({ broker, clock, ...quiet }));
  const both = async <Value>(promise: Promise<Value>): Promise<Value> => {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    while (!settled) {
      await clock.advance(1);
      await mortalClock.advance(1);
    }
    return promise;
  };
  const mortal = await both(join({ broker: broker.connect(), clock: mortalClock, ...quiet }));
  await both(mortal.agent("mortal"));
  for (let second = 0; second < 20; second++) {
    await clock.advance(1_000);
    await mortalClock.advance(1_000);
  }
  expect(watching.agents()).toHaveLength(1);
  await clock.advance(4_000);
  expect(watching.agents()).toHaveLength(1);
  await clock.advance(1_100);
  expect(watching.agents()).toHaveLength(0);
  // It was only paused: with its next sign of life it is back, with all its agents.
  await mortalClock.advance(2_000);
  await clock.advance(10);
  expect(watching.agents()).toHaveLength(1);
  await both(mortal.close());
  await both(watching.close());
});
