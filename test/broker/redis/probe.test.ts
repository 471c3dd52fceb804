/** What is found out of real servers that are set well or badly, and what is claimed of them. */
import { createClient } from "@redis/client";
import { test as anyTest, expect, onTestFinished } from "vitest";
import {
  type OpenRedisBroker,
  openRedisBroker,
  type RedisBrokerOptions,
} from "../../../src/broker/redis/index.ts";
import type { RedisLink } from "../../../src/broker/redis/link.ts";
import { askServer, claimOf } from "../../../src/broker/redis/probe.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer, type RedisSettings } from "../../support/servers/redis.ts";

const test = anyTest.skipIf(missingServer("redis"));

async function start(settings: RedisSettings = {}): Promise<RedisServer> {
  const server = await RedisServer.start(settings);
  onTestFinished(() => server.remove());
  return server;
}

async function open(options: RedisBrokerOptions): Promise<OpenRedisBroker> {
  const broker = await openRedisBroker(options);
  onTestFinished(() => broker.close());
  return broker;
}

/** Names of the checks that are not ok. */
function failed({ checks }: OpenRedisBroker): readonly string[] {
  return checks.filter(({ ok }) => ok === false).map(({ name }) => name);
}

test("a server that is set as it should be claims os, and says why", async () => {
  const { url } = await start();
  const broker = await open({ url });
  expect(failed(broker)).toEqual([]);
  expect(broker.capabilities.durability).toMatchObject({
    level: "os",
    verified: true,
    evidence: {
      appendonly: "yes",
      appendfsync: "always",
      WAITAOF: true,
      role: "master",
      failover: expect.stringContaining("not covered"),
    },
  });
  for (const { name, found, wanted, fix } of broker.checks) {
    expect([name, found, wanted, fix]).toEqual([
      expect.stringMatching(/./),
      expect.stringMatching(/./),
      expect.stringMatching(/./),
      "",
    ]);
  }
});

const badly: readonly (readonly [check: string, settings: RedisSettings, level: string])[] = [
  ["appendonly", { appendonly: "no" }, "none"],
  ["appendfsync", { appendfsync: "everysec" }, "process"],
  ["appendfsync", { appendfsync: "no" }, "process"],
  ["no-appendfsync-on-rewrite", { "no-appendfsync-on-rewrite": "yes" }, "process"],
  ["maxmemory-policy", { "maxmemory-policy": "allkeys-lru" }, "none"],
  ["WAITAOF", { "rename-command": 'WAITAOF ""' }, "process"],
  ["cluster", { "cluster-enabled": "yes" }, "os"],
];

for (const [check, settings, level] of badly) {
  test(`${JSON.stringify(settings)} claims ${level}, and is named with what to change`, async () => {
    const server = await start(settings);
    if (check === "cluster") {
      const client = createClient({ url: server.url });
      client.on("error", () => {});
      await client.connect();
      await client.sendCommand(["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
      const state = () => client.sendCommand(["CLUSTER", "INFO"]);
      await expect.poll(state).toContain("state:ok");
      client.destroy();
    }
    const broker = await open({ url: server.url });
    expect(failed(broker)).toEqual([check]);
    const { fix, wanted } = broker.checks.find(({ name }) => name === check) ?? {};
    expect(fix).toMatch(/./);
    expect(wanted).toMatch(/./);
    const { durability } = broker.capabilities;
    expect(durability).toMatchObject({ level, verified: true });
    if (level !== "os") {
      expect(durability.evidence["not os, because of"]).toContain(`${check} (`);
    }
    // Whatever it claims, it works.
    expect(await broker.store?.put([{ key: "a", value: Buffer.from("1") }])).toMatchObject({
      kind: "stored",
    });
  });
}

test("what is acknowledged was confirmed to be on the disk, where os is claimed and only there", async () => {
  for (const [appendfsync, confirmed] of [
    ["always", true],
    ["everysec", false],
  ] as const) {
    const server = await start({ appendfsync });
    const broker = await open({ url: server.url });
    for (let count = 0; count < 3; count++) {
      await broker.store?.put([{ key: "a", value: Buffer.from("1") }]);
    }
    const admin = createClient({ url: server.url });
    admin.on("error", () => {});
    await admin.connect();
    onTestFinished(() => admin.destroy());
    const calls = /cmdstat_waitaof:calls=(\d+)/.exec(await admin.info("commandstats"))?.[1];
    expect(Number(calls ?? 0) >= 3).toBe(confirmed);
  }
});

test("a server that stops to keep anything while it is used is found out", async () => {
  const server = await start();
  const broker = await open({ url: server.url });
  const admin = createClient({ url: server.url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  await admin.configSet("appendonly", "no");
  const put = () => broker.store?.put([{ key: "a", value: Buffer.from("1") }]);
  expect(await put()).toMatchObject({ kind: "indeterminate", error: { code: "INDETERMINATE" } });
  // By the next connection.
  expect(await put()).toMatchObject({ kind: "stored" });
  expect(broker.capabilities.durability).toMatchObject({ level: "none", verified: true });
});

test("a server that may not be asked claims what is certain, unverified", async () => {
  const server = await start();
  const admin = createClient({ url: server.url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  await admin.sendCommand([
    "ACL",
    "SETUSER",
    "managed",
    "on",
    ">secret",
    "~*",
    "&*",
    "+@all",
    "-config",
  ]);
  await admin.sendCommand([
    ...["ACL", "SETUSER", "blind", "on", ">secret", "~*", "&*"],
    ...["+@all", "-config", "-info", "-command"],
  ]);
  const managed = await open({ url: server.url, username: "managed", password: "secret" });
  expect(managed.capabilities.durability).toMatchObject({
    level: "process",
    verified: false,
    evidence: { appendonly: "yes", appendfsync: "not told", "maxmemory-policy": "noeviction" },
  });
  const untold = managed.checks.filter(({ ok }) => ok === undefined);
  expect(untold.map(({ name }) => name)).toEqual(["appendfsync", "no-appendfsync-on-rewrite"]);
  expect(untold[0]?.fix).toContain("CONFIG GET");
  const blind = await open({ url: server.url, username: "blind", password: "secret" });
  expect(blind.capabilities.durability).toMatchObject({ level: "none", verified: false });
});

test.each([
  ["a user of its own needs no more than its prefix, and is told what is missing", []],
  ["nor does it need to load functions", ["-function"]],
])("%s", async (_, denied) => {
  const server = await start();
  const admin = createClient({ url: server.url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  await admin.sendCommand([
    ...["ACL", "SETUSER", "app", "on", ">secret", "~{mine}:*", "&*"],
    ...["+@all", "-@dangerous", "+info", "+config|get", ...denied],
  ]);
  const user = { url: server.url, username: "app", password: "secret" };
  const broker = await open({ ...user, prefix: "mine" });
  expect(broker.capabilities.durability.level).toBe("os");
  const { ok, fix } = broker.checks.find(({ name }) => name === "functions") ?? {};
  expect([ok, fix]).toEqual(
    denied.length === 0 ? [true, ""] : [false, expect.stringContaining("FUNCTION LOAD")],
  );
  expect(await broker.store?.put([{ key: "a", value: Buffer.from("1") }])).toMatchObject({
    kind: "stored",
  });
  await broker.topics.subscribe("a.>", () => {}, new AbortController().signal);
  const { queues } = broker;
  await queues.declare(["q"]);
  const frame = Buffer.from("x");
  const stored = await queues.enqueue("q", [
    { frame, lane: 2, guarantee: "at-least-once", id: "1", notBeforeMs: Date.now() + 1 },
    { frame, lane: 1, guarantee: "exactly-once", id: "2", key: "k" },
  ]);
  expect(stored).toMatchObject([{ kind: "stored" }, { kind: "stored" }]);
  const receiving = new AbortController();
  let settled = 0;
  const options = { credit: 10, consumer: "app" };
  for await (const batch of queues.receive("q", options, receiving.signal)) {
    const outcome = { kind: "done" } as const;
    const effects = [{ kind: "append", stream: "s", entries: [frame] } as const];
    await queues.settle(batch.map((delivery) => ({ ...delivery, outcome, effects })));
    settled += batch.length;
    if (settled === 2) receiving.abort();
  }
  await expect(open({ ...user, prefix: "other" })).rejects.toMatchObject({
    code: "FORBIDDEN",
    message: expect.stringContaining("~{PREFIX}:*"),
  });
});

test("a fork is called by its own name and version", async () => {
  // As Valkey 8.0.1 answers, beside the version of Redis that it is compatible with.
  const info = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n";
  const send = async ([command = ""]: readonly string[]) => (command === "INFO" ? info : []);
  const facts = await askServer({ send } as unknown as RedisLink);
  expect(claimOf(facts).evidence["server"]).toBe("valkey 8.0.1");
});

test("the settings are read again after each reconnection", async () => {
  const server = await start();
  const broker = await open({ url: server.url });
  expect(broker.capabilities.durability.level).toBe("os");
  const statuses = broker.statuses(new AbortController().signal)[Symbol.asyncIterator]();
  await statuses.next();
  await server.kill();
  await server.start({ appendfsync: "everysec" });
  for (let ready = false; !ready; ) ready = (await statuses.next()).value?.kind === "ready";
  expect(broker.capabilities.durability.level).toBe("process");
});

test("a replica is named, and refuses what is written", async () => {
  const master = await start();
  const replica = await start({ replicaof: `127.0.0.1 ${master.port}` });
  const opening = open({ url: replica.url });
  await expect(opening).rejects.toMatchObject({
    code: "STORE_FAILED",
    message: expect.stringContaining("connect to its master"),
  });
});
