/** G18: what one client does, or does not do, costs the hub no more than its limits and the others nothing. */
import { expect, test } from "vitest";
import type { QueuedMessage } from "../../src/broker/broker.ts";
import { writeAwait } from "../../src/broker/hub/operations/await.ts";
import { writeCall } from "../../src/broker/hub/operations/call.ts";
import { writeHello } from "../../src/broker/hub/operations/greeting.ts";
import { type HubBroker, openHubBroker } from "../../src/broker/hub.ts";
import { type MemoryBroker, openMemoryBroker } from "../../src/broker/memory.ts";
import { readingsMax } from "../../src/hub/cursors.ts";
import { Hub, type HubOptions } from "../../src/hub/hub.ts";
import { frameTypes } from "../../src/message/frame.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { sleep } from "../../src/runtime/sleep.ts";
import { MemoryNetwork } from "../../src/testing/memory-network.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { RawClient, someone } from "./support/raw-client.ts";

const never = new AbortController().signal;
const timeout = 120_000;

/** Links of 1 ms and 2 MiB a second; what is said of time here is said of this clock. */
class World {
  readonly clock = new VirtualClock();
  readonly random = new SeededRandom(7);
  readonly network = new MemoryNetwork({
    clock: this.clock,
    random: this.random,
    conditions: { latencyMs: 1, bytesPerMs: 2_048 },
  });
  readonly broker: MemoryBroker;
  readonly hub: Hub;

  constructor(options: Partial<HubOptions> = {}, queueMessagesMax = 1_000_000) {
    const broker = openMemoryBroker({ clock: this.clock, limits: { queueMessagesMax } });
    this.broker = broker;
    this.hub = new Hub({ broker, clock: this.clock, id: "hub", ...options });
  }

  async run(body: (world: World) => Promise<void>): Promise<void> {
    await this.network.listen("hub", (link) => this.hub.accept(link));
    await this.clock.until(body(this));
    await this.hub.close();
  }

  client(name: string): Promise<HubBroker> {
    const { clock, random } = this;
    return openHubBroker({ connect: this.network.connect("hub", name), clock, random, name });
  }
}

function p99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] as number;
}

/** A minute of news at twice of what a link 100 times slower than the others' takes. */
async function news(slowOne: boolean) {
  const world = new World({ limits: { liveBacklogBytesMax: 100_000 } });
  const latencies: number[] = [];
  let slowHeard = 0;
  let dropped = 0;
  let published = 0;
  await world.run(async ({ clock, network }) => {
    const publisher = await world.client("publisher");
    const frame = new Uint8Array(1_000);
    const view = new DataView(frame.buffer);
    for (let reader = 0; reader < 4; reader++) {
      const client = await world.client(`reader-${reader}`);
      const hear = (_topic: string, { buffer, byteOffset }: Uint8Array) =>
        latencies.push(clock.nowMs() - new DataView(buffer, byteOffset).getFloat64(0));
      await client.topics.subscribe("news", hear, never);
    }
    let slow: HubBroker | undefined;
    if (slowOne) {
      network.setConditions("hub", "slow", { latencyMs: 1, bytesPerMs: 20 });
      slow = await world.client("slow");
      await slow.topics.subscribe("news", () => slowHeard++, never);
    }
    for (; published < 60_000 / 25; published++) {
      view.setFloat64(0, clock.nowMs());
      publisher.topics.publish([{ topic: "news", frame: frame.slice() }]);
      await sleep(clock, 25);
    }
    // Until all that waits has arrived.
    await sleep(clock, 30_000);
    dropped = slow?.droppedPublications ?? 0;
  });
  return { latencies, slowHeard, dropped, published };
}

test("G18: a subscriber 100 times slower loses its own publications, counted, and the others' p99 stays", {
  timeout,
}, async () => {
  const alone = await news(false);
  const beside = await news(true);
  expect(beside.latencies).toHaveLength(4 * beside.published);
  expect(p99(beside.latencies)).toBeLessThan(1.2 * p99(alone.latencies));
  expect(beside.dropped).toBeGreaterThan(500);
  expect(beside.slowHeard + beside.dropped).toBe(beside.published);
});

test("G18: work that comes twice as fast as it is done is refused at the limit, and none of it is lost", {
  timeout,
}, async () => {
  await new World({}, 200).run(async (world) => {
    const [sender, worker] = [await world.client("sender"), await world.client("worker")];
    await sender.queues.declare(["jobs"]);
    const done = new Set<number>();
    const working = (async () => {
      const options = { credit: 1, consumer: "worker" };
      for await (const batch of worker.queues.receive("jobs", options, never)) {
        for (const delivery of batch) {
          await sleep(world.clock, 20);
          done.add(delivery.position);
          await worker.queues.settle([{ ...delivery, outcome: { kind: "done" } }]);
        }
      }
    })();
    working.catch(() => {});
    const message: QueuedMessage = {
      frame: Uint8Array.of(1),
      lane: 2,
      guarantee: "at-least-once",
      id: "",
    };
    const stored: number[] = [];
    const refusals: string[] = [];
    for (let sent = 0; sent < 60_000 / 10; sent++) {
      const [outcome] = await sender.queues.enqueue("jobs", [message]);
      if (outcome?.kind === "stored") stored.push(outcome.position);
      else if (outcome?.kind === "rejected") refusals.push(outcome.error.code);
      await sleep(world.clock, 8);
    }
    await sleep(world.clock, 10_000);
    expect(new Set(refusals)).toEqual(new Set(["QUEUE_FULL"]));
    expect(refusals.length).toBeGreaterThan(1_000);
    expect(stored.filter((position) => !done.has(position))).toEqual([]);
  });
});

test("G18: a client that asks and does not read is not read either, and has everything in the end", {
  timeout,
}, async () => {
  const backlogBytesMax = 500_000;
  const world = new World({ limits: { backlogBytesMax } });
  await world.run(async ({ clock, network, broker }) => {
    await broker.store?.put([{ key: "large", value: new Uint8Array(100_000) }]);
    let asked = 0;
    const connect = broker.connect.bind(broker);
    broker.connect = (name) => {
      const { store, ...rest } = connect(name);
      if (store === undefined) throw new Error("no store");
      const get = (keys: readonly string[]) => {
        asked++;
        return store.get(keys);
      };
      return { ...rest, store: { ...store, get } };
    };
    const link = await network.connect("hub", "greedy")(never);
    const greedy = new RawClient(link, false);
    greedy.write((writer) => writeHello(writer, someone));
    await sleep(clock, 10);
    for (let number = 1; number <= 2_000; number++) {
      greedy.write((writer) => writeCall(writer, number, "store.get", { keys: ["large"] }));
    }
    await sleep(clock, 5_000);
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThan(100);
    const reading = new RawClient(link);
    await sleep(clock, 150_000);
    const answers = reading.frames.filter(({ type }) => type === frameTypes.REPLY);
    expect(answers).toHaveLength(2_000);
  });
});

test("G18: a watcher that lags is told the latest of everything, not everything", {
  timeout,
}, async () => {
  const world = new World({ limits: { backlogBytesMax: 200_000 } });
  await world.run(async ({ clock, network, broker }) => {
    network.setConditions("hub", "slow", { latencyMs: 1, bytesPerMs: 20 });
    const slow = await world.client("slow");
    const seen = new Map<string, number>();
    let changes = 0;
    await slow.store?.watch(
      "",
      (told) => {
        for (const change of told) {
          changes++;
          if (change.kind === "put") seen.set(change.key, change.value[0] as number);
        }
      },
      never,
    );
    for (let round = 0; round < 200; round++) {
      const value = new Uint8Array(1_000).fill(round);
      for (let key = 0; key < 10; key++) await broker.store?.put([{ key: `key-${key}`, value }]);
      await sleep(clock, 50);
    }
    await sleep(clock, 60_000);
    expect([...seen.values()]).toEqual(Array.from({ length: 10 }, () => 199));
    expect(changes).toBeLessThan(1_000);
  });
});

test("a client that reads slowly but steadily is not taken for gone because the hub does not read it meanwhile", {
  timeout,
}, async () => {
  const limits = { backlogBytesMax: 500_000, silenceMsMax: 3_000 };
  await new World({ limits }).run(async (world) => {
    const { clock, network, broker } = world;
    await broker.store?.put([{ key: "large", value: new Uint8Array(50_000) }]);
    network.setConditions("hub", "slow", { latencyMs: 1, bytesPerMs: 50 });
    const slow = await world.client("slow");
    const statuses: string[] = [];
    const watching = new AbortController();
    const watched = (async () => {
      for await (const { kind } of slow.statuses(watching.signal)) statuses.push(kind);
    })();
    // 5 MB at 50 kB a second: 100 seconds, for most of which nothing the client says is read.
    const answers = Array.from({ length: 100 }, () => slow.store?.get(["large"]));
    await Promise.all(answers);
    await sleep(clock, 1_000);
    watching.abort();
    await watched;
    expect(statuses).toEqual(["ready"]);
  });
});

test("results that a client does not read wait in the store, and all of them come in the end", {
  timeout,
}, async () => {
  const world = new World({ limits: { backlogBytesMax: 200_000 } });
  await world.run(async ({ clock, network, broker }) => {
    let asked = 0;
    const connect = broker.connect.bind(broker);
    broker.connect = (name) => {
      const connected = connect(name);
      const { queues } = connected;
      const track: typeof queues.track = (queue, position, options) => {
        asked++;
        return queues.track(queue, position, options);
      };
      return { ...connected, queues: { ...queues, track } };
    };
    const worker = await world.client("worker");
    await worker.queues.declare(["jobs"]);
    const message = {
      frame: Uint8Array.of(1),
      lane: 2,
      guarantee: "at-least-once",
      id: "",
    } as const;
    const count = 100;
    await worker.queues.enqueue(
      "jobs",
      Array.from({ length: count }, () => message),
    );
    const done = new AbortController();
    let left = count;
    const result = new Uint8Array(50_000);
    const receiving = { credit: count, consumer: "worker" };
    for await (const batch of worker.queues.receive("jobs", receiving, done.signal)) {
      const outcome = { kind: "done", result } as const;
      await worker.queues.settle(batch.map((claim) => ({ ...claim, outcome })));
      left -= batch.length;
      if (left === 0) done.abort();
    }
    const link = await network.connect("hub", "lazy")(never);
    const lazy = new RawClient(link, false);
    lazy.write((writer) => writeHello(writer, someone));
    await sleep(clock, 10);
    lazy.write((writer) => {
      const awaited = Array.from({ length: count }, (_, index) => ({
        number: index + 1,
        position: index + 1,
      }));
      writeAwait(writer, "jobs", awaited);
    });
    await sleep(clock, 5_000);
    expect(asked).toBeLessThan(1.2 * count);
    const reading = new RawClient(link);
    await sleep(clock, 60_000);
    const told = reading.frames.filter(({ type }) => type === frameTypes.TRACKED);
    expect(told).toHaveLength(count);
    expect(asked).toBeGreaterThan(1.5 * count);
  });
});

test("a session has so many readings open and no more", { timeout }, async () => {
  await new World().run(async (world) => {
    const client = await world.client("reader");
    await client.log?.append("s", [Uint8Array.of(1)]);
    const open = async () => {
      const reading = client.log?.read("s", 1, { follow: true }, never);
      await reading?.[Symbol.asyncIterator]().next();
    };
    await Promise.all(Array.from({ length: readingsMax }, open));
    await expect(open()).rejects.toMatchObject({
      code: "QUEUE_FULL",
      details: { field: "readings", limit: readingsMax },
    });
  });
});
