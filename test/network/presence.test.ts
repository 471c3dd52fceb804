import { join } from "colloquy";
import { expect, test } from "vitest";
import type { Store } from "../../src/broker/broker.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { packValue } from "../../src/exchange/packed.ts";
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

test("an agent has the name, host and number of its process, where that says them", async () => {
  const clock = new VirtualClock();
  const broker = openMemoryBroker({ clock });
  const quiet = { clock, drainOnSignals: false, onError: () => {} };
  const watching = await clock.until(join({ broker, ...quiet }));
  const named = await clock.until(join({ broker: broker.connect(), name: "the office", ...quiet }));
  await clock.until(named.agent("clerk"));
  const odd = [undefined, null, "text", { name: 7, host: "h", pid: 1 }];
  const card = {
    id: "",
    type: "agent",
    capabilities: [],
    capacity: 1,
    weight: 1,
    status: "active",
  };
  const writes = odd.flatMap((process, index) => {
    const prefix = `presence/stranger-${index}/`;
    const cards = [{ ...card, id: `stranger-${index}`, startedMs: 0 }];
    const lease = { links: 0, loads: {}, ...(process === undefined ? {} : { process }) };
    return [
      { key: `${prefix}cards/0`, value: packValue(cards), volatile: true },
      { key: `${prefix}lease`, value: packValue(lease), volatile: true },
    ];
  });
  await clock.until((broker.connect().store as Store).put(writes));
  await clock.advance(10);
  expect(watching.find({ id: "clerk" })[0]?.process).toMatchObject({
    name: "the office",
    pid: process.pid,
  });
  const strangers = watching.agents().filter(({ id }) => id.startsWith("stranger"));
  expect(strangers.map((it) => it.process)).toEqual(odd.map(() => undefined));
  await clock.until(named.close());
  await clock.until(watching.close());
});
