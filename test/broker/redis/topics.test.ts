/** What the server's publish and subscribe does not do by itself, over a real server. */
import { createClient } from "@redis/client";
import { afterAll, afterEach, test as anyTest, beforeAll, expect, onTestFinished } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import { RedisBroker } from "../../../src/broker/redis/broker.ts";
import type { RedisBrokerOptions } from "../../../src/broker/redis/options.ts";
import { FaultProxy, NullBroker, SeededRandom } from "../../../src/testing/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const test = anyTest.skipIf(missingServer("redis"));
let server: RedisServer;
beforeAll(async () => {
  if (!missingServer("redis")) server = await RedisServer.start();
});
afterAll(() => server?.remove());

let prefixes = 0;
const opened: Broker[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((broker) => broker.close()));
});

async function open(options: RedisBrokerOptions = {}): Promise<RedisBroker> {
  const given = { url: server.url, prefix: `topics-${prefixes}`, ...options };
  const broker = await RedisBroker.open(given, () => new NullBroker().queues);
  opened.push(broker);
  return broker;
}

async function pair(): Promise<readonly [RedisBroker, RedisBroker]> {
  prefixes++;
  return [await open(), await open()];
}

async function admin(url: string = server.url) {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.destroy());
  return client;
}

async function hear(
  { topics }: Broker,
  pattern: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<string[]> {
  const heard: string[] = [];
  await topics.subscribe(pattern, (topic, frame) => void heard.push(`${topic} ${frame}`), signal);
  return heard;
}

function publish({ topics }: Broker, topic: string, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    topics.publish([{ topic, frame: Buffer.from(text), onUnheard: () => resolve(true) }]);
    // Answered in order, so that by then it would have been told.
    topics.publish([{ topic: "_nobody", frame: Buffer.of(), onUnheard: () => resolve(false) }]);
  });
}

test("subscriptions that overlap hear a publication once each, whatever the server sends", async () => {
  const [publisher, subscriber] = await pair();
  const patterns = ["a.b", "a.b", "a.*", "a.>", "*.b", ">", "*.>", "*.*"];
  const heard = await Promise.all(patterns.map((pattern) => hear(subscriber, pattern)));
  await publish(publisher, "a.b", "1");
  await publish(publisher, "a.b", "2");
  await expect.poll(() => heard).toEqual(patterns.map(() => ["a.b 1", "a.b 2"]));
});

test("a wildcard does not even fetch what is internal", async () => {
  const [publisher, subscriber] = await pair();
  await hear(subscriber, ">");
  await hear(subscriber, "*.*");
  expect(await publish(publisher, "_inbox.x", "1")).toBe(true);
  expect(await publish(publisher, "a._b", "1")).toBe(true);
  expect(await publish(publisher, "a.b", "1")).toBe(false);
});

test("what only its own subscriptions hear, however many, is told as unheard", async () => {
  const [publisher, other] = await pair();
  const own = await Promise.all(["a.b", "a.*", ">"].map((pattern) => hear(publisher, pattern)));
  expect(await publish(publisher, "a.b", "1")).toBe(true);
  const controller = new AbortController();
  const heard = await hear(other, "a.b", controller.signal);
  expect(await publish(publisher, "a.b", "2")).toBe(false);
  await expect.poll(() => heard).toEqual(["a.b 2"]);
  controller.abort();
  await expect.poll(() => publish(publisher, "a.b", "3")).toBe(true);
  expect(own).toEqual([[], [], []]);
});

test("what was subscribed to and left again and again is in force when it says so", async () => {
  const [publisher, subscriber] = await pair();
  for (let round = 0; round < 50; round++) {
    const controller = new AbortController();
    const leaving = hear(subscriber, "a", controller.signal).catch(() => {});
    if (round % 3 === 0) await leaving;
    controller.abort();
    const stays = new AbortController();
    const heard = await hear(subscriber, "a", stays.signal);
    await publish(publisher, "a", `${round}`);
    await expect.poll(() => heard).toEqual([`a ${round}`]);
    stays.abort();
  }
  const client = await admin();
  const channels = () => client.pubSubChannels(`{topics-${prefixes}}*`);
  await expect.poll(channels).toEqual([]);
});

test("control passes data that waits, and each keeps its order", async () => {
  const [publisher, subscriber] = await pair();
  const order: string[] = [];
  const { signal } = new AbortController();
  await subscriber.topics.subscribe(">", (topic) => void order.push(topic), signal);
  const frame = Buffer.alloc(2 ** 20);
  publisher.topics.publish(Array.from({ length: 5 }, (_, at) => ({ topic: `data.${at}`, frame })));
  const control = Array.from({ length: 5 }, (_, at) => ({
    topic: `control.${at}`,
    frame,
    control: true,
  }));
  publisher.topics.publish(control);
  await expect.poll(() => order.length).toBe(10);
  expect(order.filter((topic) => topic.startsWith("data"))).toEqual(
    [0, 1, 2, 3, 4].map((at) => `data.${at}`),
  );
  expect(order.filter((topic) => topic.startsWith("control"))).toEqual(
    [0, 1, 2, 3, 4].map((at) => `control.${at}`),
  );
  expect(order.indexOf("control.4")).toBeLessThan(order.indexOf("data.4"));
});

test("more than may wait is lost, and told", async () => {
  prefixes++;
  const proxy = await FaultProxy.open({
    target: { port: server.port },
    random: new SeededRandom(1),
  });
  onTestFinished(() => proxy.close());
  const url = `redis://127.0.0.1:${proxy.port}`;
  const publisher = await open({ url, waitingBytesMax: 2 ** 20 });
  proxy.set("to-target", { stalled: true });
  const frame = Buffer.alloc(2 ** 19);
  const lost: boolean[] = [];
  const onUnheard = (noRoom: boolean) => void lost.push(noRoom);
  for (let count = 0; count < 8; count++) {
    publisher.topics.publish([{ topic: "a", frame, onUnheard }]);
  }
  expect(publisher.topics.hasRoom()).toBe(false);
  await expect.poll(() => lost.length).toBeGreaterThan(0);
  expect(new Set(lost)).toEqual(new Set([true]));
  proxy.set("to-target", {});
  await expect.poll(() => publisher.topics.hasRoom()).toBe(true);
});

test("a subscription that the server refuses is told as that, also when it comes back", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const client = await admin(own.url);
  const user = ["ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all"];
  await client.sendCommand([...user, "resetchannels"]);
  const options = { url: own.url, username: "app", password: "secret", backoffMaxMs: 50 };
  const broker = await open(options);
  await expect(hear(broker, "a")).rejects.toMatchObject({ code: "FORBIDDEN" });
  await client.sendCommand([...user, "&*"]);
  const { signal } = new AbortController();
  const ended: string[] = [];
  await broker.topics.subscribe("a", () => {}, signal, {
    onEnded: ({ code }) => void ended.push(code),
  });
  // Which ends the connections of that user.
  await client.sendCommand([...user, "resetchannels"]);
  await expect.poll(() => ended).toEqual(["FORBIDDEN"]);
});

test("a subscriber that the server cuts off for being slow is back by itself", async () => {
  const own = await RedisServer.start({ "client-output-buffer-limit": "pubsub 1mb 1mb 1" });
  onTestFinished(() => own.remove());
  prefixes++;
  const proxy = await FaultProxy.open({ target: { port: own.port }, random: new SeededRandom(1) });
  onTestFinished(() => proxy.close());
  const publisher = await open({ url: own.url });
  const subscriber = await open({ url: `redis://127.0.0.1:${proxy.port}`, backoffMaxMs: 50 });
  const heard = await hear(subscriber, "a");
  const statuses = subscriber.statuses(new AbortController().signal)[Symbol.asyncIterator]();
  await statuses.next();
  proxy.set("to-client", { stalled: true });
  const lost = statuses.next();
  let isLost = false;
  void lost.then(() => {
    isLost = true;
  });
  for (let count = 0; count < 300 && !isLost; count++) {
    await publish(publisher, "a", "x".repeat(2 ** 18));
    if (count === 100) proxy.set("to-client", {});
  }
  expect((await lost).value?.kind).toBe("lost");
  proxy.set("to-client", {});
  while ((await statuses.next()).value?.kind !== "ready");
  await publish(publisher, "a", "back");
  await expect.poll(() => heard.at(-1)).toBe("a back");
});
