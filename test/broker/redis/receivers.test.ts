/** Receivers over links that begin and break, at a real server. */
import { afterAll, test as anyTest, beforeAll, expect, onTestFinished } from "vitest";
import type { Delivery } from "../../../src/broker/broker.ts";
import { prototypeClient } from "../../../src/broker/redis/client.ts";
import { RedisConnection } from "../../../src/broker/redis/connection.ts";
import { openRedisBroker } from "../../../src/broker/redis/index.ts";
import { library } from "../../../src/broker/redis/library.ts";
import { redisSettings } from "../../../src/broker/redis/options.ts";
import { RedisQueues } from "../../../src/broker/redis/queues/port.ts";
import { Subscriptions } from "../../../src/broker/redis/subscriptions.ts";
import { RedisTopics } from "../../../src/broker/redis/topics.ts";
import { FaultProxy, SeededRandom } from "../../../src/testing/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const test = anyTest.skipIf(missingServer("redis"));
let server: RedisServer;
beforeAll(async () => {
  if (!missingServer("redis")) server = await RedisServer.start();
});
afterAll(() => server?.remove());

test("who begins to receive while a link begins is given what there is", async () => {
  // Nothing is made up for by signs of life.
  const options = redisSettings({ url: server.url, prefix: "begins", leaseMs: 600_000 });
  const connection = new RedisConnection(
    options,
    await prototypeClient(options.connect ?? {}),
    library,
  );
  onTestFinished(() => connection.close());
  const subscriptions = new Subscriptions(connection);
  const topics = new RedisTopics(connection, subscriptions);
  const queues = new RedisQueues(connection, subscriptions, topics);
  const received: Delivery[] = [];
  const { signal } = new AbortController();
  const receive = async () => {
    for await (const batch of queues.receive("q", { credit: 9, consumer: "c" }, signal)) {
      received.push(...batch);
    }
  };
  let links = 0;
  // Last of all: the queues have begun before.
  connection.add({
    begin: async () => {
      if (++links === 2) void receive();
    },
  });
  await connection.open();
  await queues.declare(["q"]);
  connection.link?.destroy(new Error("planted"));
  const frame = Buffer.from("work");
  await queues.enqueue("q", [{ frame, lane: 2, guarantee: "at-least-once", id: "one" }]);
  await expect.poll(() => received.map((each) => String(each.frame))).toEqual(["work"]);
});

test("who comes back to what it holds has not vanished, however often", {
  timeout: 60_000,
}, async () => {
  const proxy = await FaultProxy.open({
    target: { port: server.port },
    random: new SeededRandom(1),
  });
  const away = { prefix: "comes-back", leaseMs: 300, backoffMaxMs: 20 };
  const holder = await openRedisBroker({ ...away, url: `redis://127.0.0.1:${proxy.port}` });
  const other = await openRedisBroker({ ...away, url: server.url });
  const leaving = new AbortController();
  let ended: Promise<void> | undefined;
  onTestFinished(async () => {
    leaving.abort();
    await ended;
    await Promise.all([holder.close(), other.close()]);
    await proxy.close();
  });
  await other.queues.declare(["q"]);
  const frame = Buffer.from("work");
  await other.queues.enqueue("q", [{ frame, lane: 2, guarantee: "at-least-once", id: "one" }]);
  const received: Delivery[] = [];
  const receive = async () => {
    const options = { credit: 1, consumer: "c" };
    for await (const batch of holder.queues.receive("q", options, leaving.signal)) {
      received.push(...batch);
    }
  };
  ended = receive();
  const offered = async () => (await other.queues.mailboxes())[0]?.offered;
  const within = { timeout: 20_000 };
  for (let absence = 1; absence <= 4; absence++) {
    await expect.poll(offered, within).toBe(1);
    proxy.admission = "refuse";
    proxy.cut();
    await expect.poll(offered, within).toBe(0);
    proxy.admission = "open";
  }
  await expect.poll(offered, within).toBe(1);
  expect(received).toHaveLength(1);
  const attempts = { failures: 0, pickups: 0, crashes: 0 };
  expect(await other.queues.track("q", 1)).toEqual({ state: "offered", attempts });
  const [delivery] = received as [Delivery];
  // What it gives back it has not any more.
  await holder.queues.settle([{ ...delivery, outcome: { kind: "release" } }]);
  await expect.poll(() => received.length, within).toBe(2);
  const done = { kind: "done" } as const;
  expect(await holder.queues.settle([{ ...delivery, outcome: done }])).toEqual([{ kind: "stale" }]);
  const settlements = [{ ...(received[1] as Delivery), outcome: done }];
  expect(await holder.queues.settle(settlements)).toEqual([{ kind: "settled" }]);
});
