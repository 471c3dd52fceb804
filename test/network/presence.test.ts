import { type Broker, type BrokerStatus, ColloquyError, join } from "colloquy";
import { describe, expect, test } from "vitest";
import type { Store, StoreChange } from "../../src/broker/broker.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { packValue } from "../../src/exchange/packed.ts";
import { AsyncQueue } from "../../src/runtime/async-queue.ts";
import { Deferred } from "../../src/runtime/deferred.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { openHubFabric } from "../support/hub-fabric.ts";

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

test("idle processes tell one another nothing; a load is told", async () => {
  const clock = new VirtualClock();
  const broker = openMemoryBroker({ clock });
  const quiet = { clock, drainOnSignals: false, onError: () => {} };
  const net = await clock.until(join({ broker, ...quiet }));
  await clock.until(join({ broker: broker.connect(), ...quiet }));
  const worker = await clock.until(net.agent("worker"));
  worker.handle("hold", () => new Promise(() => {}));
  const told: string[] = [];
  const stop = new AbortController();
  const tell = (changes: readonly StoreChange[]) => {
    for (const change of changes) if ("key" in change) told.push(change.key);
  };
  const { store } = broker.connect();
  await clock.until((store as Store).watch("presence/", tell, stop.signal));
  await clock.advance(1);
  told.length = 0;
  await clock.advance(20_000);
  expect(told).toEqual([]);
  const asker = await clock.until(net.agent("asker"));
  const request = asker.request("agent:worker", "hold", {}, { signal: stop.signal });
  await clock.advance(5_000);
  expect(told.filter((key) => key.endsWith("/lease"))).toHaveLength(1);
  stop.abort();
  await expect(request).rejects.toMatchObject({ code: "CANCELLED" });
});

test("cards that are too many for one write to the store are shown all the same, and stay", async () => {
  const clock = new VirtualClock();
  const broker = openMemoryBroker({ clock });
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const options = { clock, drainOnSignals: false, onError };
  const watching = await clock.until(join({ broker, ...options }));
  const net = await clock.until(join({ broker: broker.connect(), ...options }));
  // 1,536 of them, in six parts of 256: five megabytes, where one write may have four.
  const capabilities = Array.from({ length: 26 }, (_, index) => `${index}.${"skill".repeat(24)}`);
  const agents = Array.from({ length: 1_536 }, (_, index) =>
    net.agent(`agent-${index}`, { capabilities }),
  );
  await clock.until(Promise.all(agents));
  expect(watching.agents()).toHaveLength(1_536);
  // Written again every three minutes, they would end by themselves after ten.
  await clock.advance(11 * 60_000);
  expect(watching.agents()).toHaveLength(1_536);
  expect(errors).toEqual([]);
});

describe("entries that somebody else has written over", () => {
  const packed = (value: unknown) => ({ value: packValue(value), volatile: true });

  async function besideOne() {
    const clock = new VirtualClock();
    const broker = openMemoryBroker({ clock });
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const options = { clock, drainOnSignals: false, onError };
    const watching = await clock.until(join({ broker, ...options }));
    const net = await clock.until(join({ broker: broker.connect(), ...options }));
    await clock.until(net.agent("worker"));
    const shown = () => watching.agents().map(({ id }) => id);
    await clock.advance(10);
    const instance = watching.find({ id: "worker" })[0]?.instance;
    const store = broker.connect().store as Store;
    const write = (part: string, entry: object) =>
      clock.until(store.put([{ key: `presence/${instance}/${part}`, ...entry }]));
    return { clock, errors, net, shown, write };
  }

  test.each([
    ["no cards", packed([])],
    ["other cards", packed([{ id: "x", type: "x", capabilities: [], startedMs: 0 }])],
    ["their end", { volatile: true }],
  ])("%s are mended by their process at once", async (_, entry) => {
    const { clock, errors, net, shown, write } = await besideOne();
    for (let times = 0; times < 3; times++) {
      await write("cards/0", entry);
      await clock.advance(10);
      expect(shown()).toEqual(["worker"]);
    }
    await clock.until(net.agent("second"));
    await clock.advance(10);
    expect(shown()).toEqual(["worker", "second"]);
    expect(errors).toEqual([]);
  });

  const unreadable: readonly (readonly [part: string, entry: object])[] = [
    ["cards/0", { value: new Uint8Array(), volatile: true }],
    ["cards/0", { value: new TextEncoder().encode("{"), volatile: true }],
    ...[null, 5, {}, [null], [{ id: "x" }]].map((value) => ["cards/0", packed(value)] as const),
    ...[null, 5, [], { links: 1 }, { links: 1, loads: null }].map(
      (value) => ["lease", packed(value)] as const,
    ),
  ];

  test.each(unreadable)(
    "what nobody can read changes nothing, and is told (%s, %#)",
    async (part, entry) => {
      const { clock, errors, shown, write } = await besideOne();
      await write(part, entry);
      await clock.advance(0);
      expect(shown()).toEqual(["worker"]);
      await clock.advance(20_000);
      expect(shown()).toEqual(["worker"]);
      expect(errors.length).toBeGreaterThan(0);
      for (const error of errors) expect(error).toBeInstanceOf(ColloquyError);
    },
  );
});

test("an agent that left while the link to the hub was down is not shown when it is back, and those that stayed are", async () => {
  const fabric = await openHubFabric();
  const watching = await fabric.join("watching");
  const [leaving, staying] = [await fabric.join("leaving"), await fabric.join("staying")];
  const leaver = await fabric.until(leaving.agent("leaver"));
  await fabric.until(staying.agent("stayer"));
  const shown = () => watching.agents().map(({ id }) => id);
  await fabric.clock.advance(100);
  expect(shown().sort()).toEqual(["leaver", "stayer"]);
  fabric.network.block("watching", "hub");
  fabric.network.block("hub", "watching");
  fabric.network.cut("watching");
  await fabric.clock.advance(500);
  await fabric.until(leaver.close());
  fabric.network.heal();
  await fabric.clock.advance(10_000);
  expect(shown()).toEqual(["stayer"]);
  // Its process is still there.
  await fabric.until(leaving.agent("again"));
  await fabric.clock.advance(100);
  expect(shown().sort()).toEqual(["again", "stayer"]);
  await fabric.close();
});

describe("with a store that takes its time", () => {
  /** As it is, but for what is put, and what is said of it. */
  function changed(broker: Broker, put: Store["put"], statuses: Broker["statuses"]): Broker {
    const { name, capabilities, topics, queues, log } = broker;
    const { get, list, watch } = broker.store as Store;
    const bound = { get, list, watch };
    for (const [key, method] of Object.entries(bound)) {
      Object.assign(bound, { [key]: (method as () => unknown).bind(broker.store) });
    }
    const store: Store = { ...bound, put };
    const close = () => broker.close();
    return { name, capabilities, topics, queues, log, store, statuses, close };
  }

  test("an agent is in the store when it is there, whenever it came while another was written", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const clock = new VirtualClock();
      const broker = openMemoryBroker({ clock });
      const store = broker.store as Store;
      let second: Promise<unknown> | undefined;
      const put: Store["put"] = async (writes, signal) => {
        const outcome = await store.put(writes, signal);
        if (second !== undefined || !writes.some(({ key }) => key.endsWith("/cards/0"))) {
          return outcome;
        }
        const told = Promise.resolve(outcome);
        void (async () => {
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          second = net.agent("second");
        })();
        return told;
      };
      const statuses = (signal: AbortSignal) => broker.statuses(signal);
      const options = { clock, drainOnSignals: false };
      const net = await clock.until(join({ broker: changed(broker, put, statuses), ...options }));
      await clock.until(net.agent("first"));
      await second;
      const key = `presence/${net.instance}/cards/0`;
      const [entry] = await clock.until(store.get([key]));
      const cards = new TextDecoder().decode(entry?.value);
      expect(cards, `${turns} turns later`).toContain('"second"');
      await clock.until(net.close());
    }
  });

  test("who says goodbye while the broker comes back does not show itself again", async () => {
    const clock = new VirtualClock();
    const broker = openMemoryBroker({ clock });
    const store = broker.store as Store;
    const leases: string[] = [];
    const goodbye = new Deferred();
    const put: Store["put"] = async (writes, signal) => {
      for (const { key, value } of writes) {
        if (!key.endsWith("/lease")) continue;
        leases.push(value === undefined ? "gone" : "there");
        if (value === undefined) await goodbye.promise;
      }
      return store.put(writes, signal);
    };
    const readers: AsyncQueue<BrokerStatus>[] = [];
    const tell = (status: BrokerStatus) => {
      for (const reader of readers) reader.push(status);
    };
    const statuses = () => {
      const reader = new AsyncQueue<BrokerStatus>();
      readers.push(reader);
      return reader;
    };
    const net = await clock.until(
      join({ broker: changed(broker, put, statuses), clock, drainOnSignals: false }),
    );
    await clock.advance(10);
    tell({ kind: "lost", cause: undefined });
    await clock.advance(10);
    leases.length = 0;
    const closing = net.close();
    await clock.advance(10);
    tell({ kind: "ready" });
    await clock.advance(10);
    goodbye.resolve();
    await clock.until(closing);
    await clock.advance(20_000);
    expect(leases).toEqual(["gone"]);
  });
});
