/** What a server refuses for a while is told with what to change, and goes on once it does not. */
import { createClient } from "@redis/client";
import { expect, onTestFinished, test } from "vitest";
import { join } from "../../../src/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const timeout = 60_000;

const refusals = [
  {
    what: "it has become a replica",
    begin: ["REPLICAOF", "127.0.0.1", "1"],
    end: ["REPLICAOF", "NO", "ONE"],
    fix: "connect to its master",
  },
  {
    what: "it misses its replicas",
    begin: ["CONFIG", "SET", "min-replicas-to-write", "1"],
    end: ["CONFIG", "SET", "min-replicas-to-write", "0"],
    fix: "min-replicas-to-write",
  },
];

for (const { what, begin, end, fix } of refusals) {
  test.skipIf(missingServer("redis"))(`as ${what}`, { timeout }, async () => {
    // Nobody waits for its disk: connections outlive what it refuses.
    const server = await RedisServer.start({ appendfsync: "everysec" });
    onTestFinished(() => server.remove());
    const admin = createClient({ url: server.url });
    admin.on("error", () => {});
    await admin.connect();
    onTestFinished(() => admin.destroy());
    const network = await join({ url: server.url, drainOnSignals: false, onError: () => {} });
    onTestFinished(() => network.close());
    const agent = await network.agent("worker");
    const handled: unknown[] = [];
    agent.handle("WORK", async (input) => {
      if (input === "while it refuses") await admin.sendCommand(begin);
      handled.push(input);
      return input;
    });
    await agent.ready();
    const receipt = await agent.send("agent:worker", "WORK", "while it refuses");
    await expect.poll(() => handled, { timeout }).toEqual(["while it refuses"]);
    const refused = () => agent.send("agent:worker", "WORK", "refused").then(() => "", String);
    await expect.poll(refused, { timeout }).toContain(fix);
    await admin.sendCommand(end);
    const settled = await receipt.settled({ signal: AbortSignal.timeout(timeout) });
    expect(settled).toEqual({ state: "done", result: "while it refuses" });
    const next = await agent.send("agent:worker", "WORK", "next");
    expect(await next.settled({ signal: AbortSignal.timeout(timeout) })).toMatchObject({
      state: "done",
      result: "next",
    });
    expect(handled).toEqual(["while it refuses", "next"]);
  });
}
