/** The store and sessions over a real server: what is bound ends with its writer, what is volatile with the server. */
import { createClient } from "@redis/client";
import { afterAll, afterEach, test as anyTest, beforeAll, expect, onTestFinished } from "vitest";
import type { Broker, StoreChange } from "../../../src/broker/broker.ts";
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

function newPrefix(): string {
  return `store-${++prefixes}`;
}

async function open(options: RedisBrokerOptions): Promise<RedisBroker> {
  const broker = await RedisBroker.open(options, () => new NullBroker().queues);
  opened.push(broker);
  return broker;
}

async function proxied(): Promise<FaultProxy> {
  const proxy = await FaultProxy.open({
    target: { port: server.port },
    random: new SeededRandom(1),
  });
  onTestFinished(() => proxy.close());
  return proxy;
}

const text = (value: string) => Buffer.from(value);

async function read({ store }: RedisBroker, key: string): Promise<string | undefined> {
  const [entry] = await store.get([key]);
  return entry === undefined ? undefined : String(entry.value);
}

async function watch({ store }: RedisBroker, prefix: string): Promise<string[]> {
  const seen: string[] = [];
  const note = (change: StoreChange): string => {
    if (change.kind === "reset") return "reset";
    return change.kind === "put" ? `+${change.key}=${change.value}` : `-${change.key}`;
  };
  const { signal } = new AbortController();
  await store.watch(prefix, (changes) => void seen.push(...changes.map(note)), signal);
  return seen;
}

test("what is bound to a broker object ends when that closes, and its watchers see it", async () => {
  const prefix = newPrefix();
  const [writer, other] = [
    await open({ url: server.url, prefix }),
    await open({ url: server.url, prefix }),
  ];
  const seen = await watch(other, "p/");
  await writer.store.put([
    { key: "p/bound", value: text("1"), volatile: true, bound: true, ttlMs: 3_600_000 },
    { key: "p/volatile", value: text("1"), volatile: true },
    { key: "p/taken", value: text("1"), volatile: true, bound: true },
  ]);
  await other.store.put([{ key: "p/taken", value: text("2"), volatile: true, bound: true }]);
  await writer.close();
  await expect.poll(() => seen).toContain("-p/bound");
  expect(await read(other, "p/bound")).toBeUndefined();
  expect(await read(other, "p/volatile")).toBe("1");
  expect(await read(other, "p/taken")).toBe("2");
});

test("what is bound ends when its writer is silent for its lease, and others are there", async () => {
  const prefix = newPrefix();
  const proxy = await proxied();
  const url = `redis://127.0.0.1:${proxy.port}`;
  const writer = await open({ url, prefix, leaseMs: 300 });
  const other = await open({ url: server.url, prefix, leaseMs: 300 });
  const seen = await watch(other, "p/");
  await writer.store.put([{ key: "p/bound", value: text("1"), volatile: true, bound: true }]);
  await expect.poll(() => seen).toEqual(["+p/bound=1"]);
  proxy.admission = "refuse";
  proxy.cut();
  await expect.poll(() => seen).toEqual(["+p/bound=1", "-p/bound"]);
});

test("a short silence ends nothing", async () => {
  const prefix = newPrefix();
  const proxy = await proxied();
  const url = `redis://127.0.0.1:${proxy.port}`;
  const writer = await open({ url, prefix, leaseMs: 60_000 });
  const other = await open({ url: server.url, prefix, leaseMs: 200 });
  await writer.store.put([{ key: "bound", value: text("1"), volatile: true, bound: true }]);
  for (let round = 0; round < 3; round++) {
    proxy.cut();
    await writer.store.get(["bound"]);
  }
  expect(await read(other, "bound")).toBe("1");
});

test("nobody is blamed for the time in which the server was away", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const prefix = newPrefix();
  const admin = createClient({ url: own.url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  const broker = await open({ url: own.url, prefix, leaseMs: 30_000 });
  await broker.store.put([{ key: "bound", value: text("1"), volatile: true, bound: true }]);
  // As if the server's clock had jumped by an hour, or it had stood still for one.
  for (const key of await admin.zRange(`{${prefix}}:sessions`, 0, -1)) {
    await admin.zAdd(`{${prefix}}:sessions`, { value: key, score: Date.now() - 3_600_000 });
  }
  await admin.set(`{${prefix}}:sessions:last`, Date.now() - 3_600_000);
  const other = await open({ url: own.url, prefix, leaseMs: 30_000 });
  expect(await read(other, "bound")).toBe("1");
  // Whoever has really gone is found out nevertheless.
  await admin.zAdd(`{${prefix}}:sessions`, {
    value: await admin.zRange(`{${prefix}}:sessions`, 0, 0).then(String),
    score: 1,
  });
  const third = await open({ url: own.url, prefix, leaseMs: 30_000 });
  const sessions = await admin.zCard(`{${prefix}}:sessions`);
  expect(sessions).toBe(2);
  expect(third.capabilities.store).toBe(true);
});

test("volatile entries are gone with the server, for all who come back and all who come then", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const prefix = newPrefix();
  const broker = await open({ url: own.url, prefix });
  const seen = await watch(broker, "");
  await broker.store.put([
    { key: "hard", value: text("1") },
    { key: "soft", value: text("1"), volatile: true },
    { key: "hardened", value: text("1"), volatile: true },
  ]);
  await broker.store.put([{ key: "hardened", value: text("2") }]);
  await expect.poll(() => seen.length).toBe(4);
  await own.kill();
  await own.start();
  expect(await read(broker, "soft")).toBeUndefined();
  expect(await read(broker, "hard")).toBe("1");
  expect(await read(broker, "hardened")).toBe("2");
  // That something is gone may be told even where everything is told anew.
  const since = () => seen.slice(4).filter((change) => change !== "-soft");
  await expect.poll(since).toEqual(["reset", "+hard=1", "+hardened=2"]);
  // A second reconnection to the same run of the server takes nothing away.
  await broker.store.put([{ key: "soft", value: text("2"), volatile: true }]);
  const other = await open({ url: own.url, prefix });
  expect(await read(other, "soft")).toBe("2");
});

test("an entry that has ended is gone before anybody has cleared it away", async () => {
  const prefix = newPrefix();
  const broker = await open({ url: server.url, prefix });
  await broker.store.put([{ key: "a", value: text("1"), ttlMs: 1 }]);
  await expect.poll(() => read(broker, "a")).toBeUndefined();
  const admin = createClient({ url: server.url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  expect(await admin.hGet(`{${prefix}}:s:v`, "a")).toBe("1");
  const created = await broker.store.put([{ key: "a", value: text("2"), ifRevision: 0 }]);
  expect(created.kind).toBe("stored");
});

test("writes of one put see one another", async () => {
  const { store } = await open({ url: server.url, prefix: newPrefix() });
  const first = await store.put([{ key: "a", value: text("1") }]);
  const revision = first.kind === "stored" ? (first.revisions[0] ?? 0) : 0;
  const twice = await store.put([
    { key: "a", value: text("2"), ifRevision: revision },
    { key: "a", value: text("3"), ifRevision: revision },
  ]);
  expect(twice).toEqual({ kind: "conflict", key: "a", revision: revision + 1 });
  const chained = await store.put([
    { key: "a", ifRevision: revision },
    { key: "a", value: text("4"), ifRevision: 0 },
    { key: "a", value: text("5"), ifRevision: revision + 2 },
  ]);
  expect(chained).toMatchObject({
    kind: "stored",
    revisions: [revision + 1, revision + 2, revision + 3],
  });
});

test("keys that mean something to the server's patterns mean nothing here", async () => {
  const prefix = newPrefix();
  const broker = await open({ url: server.url, prefix });
  const seen = await watch(broker, "a*[b]?/");
  for (const key of ["a*[b]?/x", "axb?/x", "a*b?/x", "a*[b]x/x"]) {
    await broker.store.put([{ key, value: text("1") }]);
  }
  await broker.store.put([{ key: "a*[b]?/end", value: text("1") }]);
  await expect.poll(() => seen.at(-1)).toBe("+a*[b]?/end=1");
  expect(seen).toEqual(["+a*[b]?/x=1", "+a*[b]?/end=1"]);
});

test("a put is made once, however often connections break", async () => {
  const proxy = await proxied();
  const url = `redis://127.0.0.1:${proxy.port}`;
  const { store } = await open({ url, prefix: newPrefix(), backoffMaxMs: 20 });
  let revision = 0;
  for (let round = 0; round < 30; round++) {
    const putting = store.put([{ key: "a", value: text(`${round}`), ifRevision: revision }]);
    if (round % 3 === 0) await new Promise(setImmediate);
    if (round % 3 !== 1) proxy.cut();
    const outcome = await putting;
    // Made twice, the second time would be a conflict with the first.
    expect(outcome.kind).toBe("stored");
    if (outcome.kind === "stored") revision = outcome.revisions[0] ?? 0;
  }
  expect(revision).toBe(30);
});

test("what the server refuses is rejected, and tells what to change", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const { store } = await open({ url: own.url, prefix: newPrefix() });
  const admin = createClient({ url: own.url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  await admin.configSet("maxmemory", "1");
  expect(await store.put([{ key: "a", value: text("1") }])).toMatchObject({
    kind: "rejected",
    error: { code: "QUEUE_FULL", message: expect.stringContaining("raise maxmemory") },
  });
  await admin.configSet("maxmemory", "0");
  await admin.configSet("min-replicas-to-write", "1");
  expect(await store.put([{ key: "a", value: text("1") }])).toMatchObject({
    kind: "rejected",
    error: { code: "STORE_FAILED" },
  });
});

test("a full server can be connected to, and what has ended is cleared away there", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const prefix = newPrefix();
  const broker = await open({ url: own.url, prefix });
  const seen = await watch(broker, "");
  const admin = createClient({ url: own.url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  await broker.store.put([{ key: "soft", value: text("1"), ttlMs: 500 }]);
  await admin.configSet("maxmemory", "1");
  await open({ url: own.url, prefix });
  await expect.poll(() => seen).toEqual(["+soft=1", "-soft"]);
});
