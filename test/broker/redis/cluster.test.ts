/** A cluster of three nodes: a prefix lies on one of them, and only that one can be used. */
import { createClient } from "@redis/client";
import { expect, onTestFinished, test } from "vitest";
import { openRedisBroker } from "../../../src/broker/redis/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const slots = 16_384;

test.skipIf(missingServer("redis"))(
  "the node of a prefix can be used, every other one refuses with what to change",
  async () => {
    const nodes = await startCluster(3);
    const admin = await clientOf(nodes[0] as RedisServer);
    const slot = Number(await admin.sendCommand(["CLUSTER", "KEYSLOT", "{colloquy}:sessions"]));
    const home = Math.floor((slot * nodes.length) / slots);
    for (const [index, { url }] of nodes.entries()) {
      if (index === home) continue;
      await expect(openRedisBroker({ url })).rejects.toMatchObject({
        code: "UNSUPPORTED",
        retryable: false,
        message: expect.stringContaining("connect to that node"),
      });
    }
    const broker = await openRedisBroker({ url: (nodes[home] as RedisServer).url });
    onTestFinished(() => broker.close());
    expect(broker.checks.filter(({ ok }) => ok === false)).toMatchObject([
      { name: "cluster", found: "yes", fix: expect.stringContaining("a server of its own") },
    ]);
    await broker.queues.declare(["q"]);
    const message = {
      frame: Buffer.from("x"),
      lane: 2,
      guarantee: "exactly-once",
      id: "1",
    } as const;
    expect(await broker.queues.enqueue("q", [message])).toMatchObject([{ kind: "stored" }]);
  },
);

async function startCluster(count: number): Promise<readonly RedisServer[]> {
  const nodes: RedisServer[] = [];
  for (let index = 0; index < count; index++) {
    const node = await RedisServer.start({ "cluster-enabled": "yes" });
    onTestFinished(() => node.remove());
    nodes.push(node);
    const client = await clientOf(node);
    const first = Math.ceil((index * slots) / count);
    const last = Math.ceil(((index + 1) * slots) / count) - 1;
    await client.sendCommand(["CLUSTER", "ADDSLOTSRANGE", `${first}`, `${last}`]);
    await client.sendCommand(["CLUSTER", "SET-CONFIG-EPOCH", `${index + 1}`]);
    const [met] = nodes as [RedisServer];
    if (met !== node) await client.sendCommand(["CLUSTER", "MEET", "127.0.0.1", `${met.port}`]);
  }
  for (const node of nodes) {
    const client = await clientOf(node);
    const state = () => client.sendCommand(["CLUSTER", "INFO"]);
    await expect.poll(state).toContain("cluster_state:ok");
    await expect.poll(state).toContain(`cluster_size:${count}`);
  }
  return nodes;
}

async function clientOf({ url }: RedisServer) {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.destroy());
  return client;
}
