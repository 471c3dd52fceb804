import { type Broker, join, type Network } from "colloquy";
import { expect, test } from "vitest";
import { storeOf } from "../../src/broker/guarded.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { faultyBroker } from "../../src/testing/faulty-broker.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { openFabric } from "../support/fabric.ts";
import { openHubFabric } from "../support/hub-fabric.ts";

/** A broker in memory whose store takes nothing while `fails()`. */
function withoutStore(clock: VirtualClock, fails: () => boolean): Broker {
  const broker = openMemoryBroker({ clock });
  const store = storeOf(broker);
  return {
    name: "no store",
    capabilities: broker.capabilities,
    topics: broker.topics,
    queues: broker.queues,
    log: broker.log,
    store: {
      get: (keys) => store.get(keys),
      list: (prefix, signal) => store.list(prefix, signal),
      watch: (prefix, change, signal) => store.watch(prefix, change, signal),
      put: (writes, signal) =>
        fails() ? Promise.reject(new Error("no store")) : store.put(writes, signal),
    },
    statuses: (signal) => broker.statuses(signal),
    close: () => broker.close(),
  };
}

async function deadLettersOf(network: Network): Promise<void> {
  for await (const _ of network.dead.watch());
}

test("who waits for agents or dead letters is told when the network closes, in memory and at a hub", async () => {
  const memory = await openFabric(1);
  const hub = await openHubFabric();
  const member = await hub.join("one");
  for (const { fabric, network } of [
    { fabric: memory, network: memory.networks[0] as Network },
    { fabric: hub, network: member },
  ]) {
    const waits = [network.waitFor({ type: "nobody" }), deadLettersOf(network)];
    const ends = Promise.allSettled(waits);
    await fabric.clock.advance(50);
    await fabric.close();
    const closed = { status: "rejected", reason: { code: "CLOSED" } };
    expect(await fabric.until(ends)).toMatchObject([closed, closed]);
    await expect(network.waitFor({})).rejects.toMatchObject({ code: "CLOSED" });
    expect(fabric.errors).toEqual([]);
  }
});

test("waitFor says which count it does not take", async () => {
  const { networks, close } = await openFabric(1);
  await expect((networks[0] as Network).waitFor({}, { count: 0 })).rejects.toMatchObject({
    code: "INVALID_OPTION",
    details: { field: "count" },
  });
  await close();
});

test("who could not join leaves nothing behind", async () => {
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  let puts = 0;
  const broker = withoutStore(clock, () => ++puts > 0);
  const onError = (error: unknown) => errors.push(error);
  const joining = join({ broker, clock, drainOnSignals: false, onError });
  await expect(clock.until(joining)).rejects.toThrow("no store");
  const before = puts;
  await clock.advance(60_000);
  expect(puts).toBe(before);
  expect(errors).toEqual([]);
});

test("an agent that could not be shown is not there, and its id is free", async () => {
  const clock = new VirtualClock();
  let fails = false;
  const broker = withoutStore(clock, () => fails);
  const joining = join({ broker, clock, drainOnSignals: false, onError: () => {} });
  const network = await clock.until(joining);
  fails = true;
  await expect(clock.until(network.agent("a"))).rejects.toThrow("no store");
  expect(network.agents()).toEqual([]);
  fails = false;
  await clock.until(network.agent("a"));
  expect(network.agents()).toMatchObject([{ id: "a" }]);
  await clock.until(network.close());
});

test("a changed card that could not be written is written as soon as it can be", async () => {
  const clock = new VirtualClock();
  const shared = openMemoryBroker({ clock });
  let rejection = 0;
  const faults = { clock, random: new SeededRandom(1), rates: () => ({ rejection }) };
  const options = { clock, drainOnSignals: false, onError: () => {} };
  const one = await clock.until(join({ broker: faultyBroker(shared, faults), ...options }));
  const two = await clock.until(join({ broker: shared.connect(), ...options }));
  const agent = await clock.until(one.agent("a"));
  await clock.advance(10);
  rejection = 1;
  agent.setStatus("unhealthy");
  await clock.advance(100);
  expect(two.agents()).toMatchObject([{ status: "active" }]);
  await expect(clock.until(one.agent("b"))).rejects.toMatchObject({ code: "QUEUE_FULL" });
  rejection = 0;
  await clock.advance(3_000);
  expect(two.agents()).toMatchObject([{ id: "a", status: "unhealthy" }]);
  await clock.until(two.close());
  await clock.until(one.close());
});
