/** Leaders that are killed under load: the accounts are right, and a wrong one is told as wrong. */
import { expect, onTestFinished, test } from "vitest";
import { NatsCluster } from "../../scripts/cluster/cluster.ts";
import { LogLoad } from "../../scripts/cluster/log-load.ts";
import { parseOptions } from "../../scripts/cluster/options.ts";
import { Progress } from "../../scripts/cluster/progress.ts";
import { QueueLoad } from "../../scripts/cluster/queue-load.ts";
import { isRight, reportOf } from "../../scripts/cluster/report.ts";
import { runKills } from "../../scripts/cluster/run.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { openNatsBroker } from "../../src/broker/nats/index.ts";
import { Names } from "../../src/broker/nats/names.ts";
import { missingServer, serverProgram } from "../support/brokers.ts";

const conditions = {
  command: "npm run cluster",
  date: "today",
  machine: "this",
  version: "2",
  durability: "replicated+fsync",
};

test.skipIf(missingServer("nats"))(
  "the leader is killed, another takes over, and what was acknowledged is there",
  { timeout: 120_000 },
  async () => {
    const cluster = await NatsCluster.start(serverProgram("nats"));
    onTestFinished(() => cluster.stop());
    const broker = await openDurable(cluster.urls);
    onTestFinished(() => broker.close());
    const { state } = new Names("colloquy").streams;
    const said: string[] = [];
    const run = await runKills(cluster, [new LogLoad(broker, { writers: 2 })], {
      kills: 1,
      calmMs: 0,
      streams: [state],
      say: (text) => said.push(text),
    });
    expect(said).toHaveLength(1);
    expect(run.kills[0]).toMatchObject({ stream: state });
    const { history } = run.accounts;
    expect(history).toMatchObject({ lost: 0, doubled: 0, received: history?.acknowledged });
    expect(history?.acknowledged).toBeGreaterThan(200);
    expect(isRight(run)).toBe(true);
  },
);

/** Asks again where a server stood still while it was asked how it writes: what it did not tell is not claimed. */
async function openDurable(servers: readonly string[]): Promise<Broker> {
  for (;;) {
    const broker = await openNatsBroker({ servers: [...servers], requestTimeoutMs: 2_000 });
    if (broker.capabilities.durability.level === "replicated+fsync") return broker;
    await broker.close();
  }
}

test("commands that were acknowledged are all received and done", async () => {
  const broker = openMemoryBroker();
  const load = await QueueLoad.start(broker, broker.connect(), {
    queue: "type:load",
    senders: 4,
    silenceMs: 10_000,
  });
  await expect.poll(() => load.settling.count).toBeGreaterThan(200);
  const account = await load.finish();
  expect(account).toMatchObject({ lost: 0, doubled: 0, redelivered: 0, unsettled: 0 });
  expect(account.received).toBe(account.acknowledged);
  expect(account.acknowledged).toBe(load.sending.count);
  await broker.close();
});

test("what nobody gets is told", async () => {
  const broker = openMemoryBroker();
  const receiver = broker.connect();
  const load = await QueueLoad.start(broker, receiver, {
    queue: "type:load",
    senders: 1,
    silenceMs: 100,
  });
  await expect.poll(() => load.settling.count).toBeGreaterThan(0);
  // Another takes some and does nothing with them.
  const ends = new AbortController();
  const taking = (async () => {
    const options = { credit: 5, consumer: "thief" };
    for await (const _ of broker.connect().queues.receive("type:load", options, ends.signal));
  })();
  await expect.poll(async () => (await broker.queues.mailboxes())[0]?.receivers).toBe(2);
  await expect.poll(() => load.sending.count - load.settling.count).toBeGreaterThanOrEqual(5);
  const account = await load.finish();
  expect(account.lost).toBe(5);
  expect(account.unsettled).toBe(5);
  const run = { kills: [], accounts: { commands: account } };
  expect(isRight(run)).toBe(false);
  expect(reportOf(run, conditions)).toContain("**Wrong**");
  ends.abort();
  await taking;
  await broker.close();
});

test("history that is not there any more is told", async () => {
  const broker = openMemoryBroker();
  const log = { append: broker.log?.append.bind(broker.log), read: async function* () {} };
  const load = new LogLoad({ log } as unknown as typeof broker, { writers: 2 });
  await expect.poll(() => load.appending.count).toBeGreaterThan(10);
  const account = await load.finish();
  expect(account).toMatchObject({ received: 0, lost: account.acknowledged });
  await broker.close();
});

test("the time without progress is the longest pause around an event", async () => {
  const progress = new Progress();
  progress.step();
  await new Promise((resolve) => setTimeout(resolve, 30));
  const eventMs = performance.now();
  expect(progress.longestGapSince(eventMs)).toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 30));
  progress.step();
  progress.step();
  const gapMs = progress.longestGapSince(eventMs);
  expect(gapMs).toBeGreaterThanOrEqual(58);
  expect(progress.longestGapSince(performance.now())).toBe(0);
  expect(progress.count).toBe(3);
});

test("options are checked", () => {
  expect(parseOptions([])).toMatchObject({ kills: 10, save: false });
  for (const args of [
    ["--kills", "0"],
    ["--calm", "-1"],
    ["--senders", "x"],
    ["--timeout", "0"],
  ]) {
    expect(() => parseOptions(args)).toThrow(args[0]);
  }
});
