/** The log over a real server that is killed and cut off. */
import { createClient } from "@redis/client";
import { test as anyTest, expect, onTestFinished } from "vitest";
import type { Log } from "../../../src/broker/broker.ts";
import { openRedisBroker } from "../../../src/broker/redis/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const test = anyTest.skipIf(missingServer("redis"));

async function start(): Promise<RedisServer> {
  const server = await RedisServer.start();
  onTestFinished(() => server.remove());
  return server;
}

async function open(url: string): Promise<Log> {
  const broker = await openRedisBroker({ url, backoffMaxMs: 100 });
  onTestFinished(() => broker.close());
  expect(broker.log).toBeDefined();
  return broker.log as Log;
}

async function history(log: Log, stream: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const entries of log.read(stream, 1, {}, new AbortController().signal)) {
    texts.push(...entries.map(({ data }) => String(data)));
  }
  return texts;
}

test("what was appended while the server was killed is there once, in order, and followers saw it", async () => {
  const server = await start();
  const writers = await Promise.all([0, 1, 2].map(() => open(server.url)));
  const follower = await open(server.url);
  const following = new AbortController();
  const seen: string[] = [];
  const follow = (async () => {
    for await (const entries of follower.read("s", 1, { follow: true }, following.signal)) {
      seen.push(...entries.map(({ data }) => String(data)));
    }
  })();
  const positions: number[] = [];
  let stop = false;
  const writing = writers.map(async (log, writer) => {
    let count = 0;
    for (; !stop; count++) {
      const entries = [Buffer.from(`${writer} ${count} a`), Buffer.from(`${writer} ${count} b`)];
      const outcome = await log.append("s", entries);
      expect(outcome.kind).toBe("appended");
      if (outcome.kind === "appended") positions.push(outcome.position);
    }
    return count;
  });
  for (let kill = 0; kill < 4; kill++) {
    const before = positions.length;
    await expect.poll(() => positions.length).toBeGreaterThan(before + 20);
    await server.kill();
    await server.start();
  }
  stop = true;
  const counts = await Promise.all(writing);
  const texts = await history(await open(server.url), "s");
  for (const [writer, count] of counts.entries()) {
    const own = texts.filter((text) => text.startsWith(`${writer} `));
    const expected = Array.from({ length: count }, (_, at) => [
      `${writer} ${at} a`,
      `${writer} ${at} b`,
    ]);
    expect(own).toEqual(expected.flat());
  }
  expect(new Set(positions).size).toBe(positions.length);
  await expect.poll(() => seen.length).toBe(texts.length);
  expect(seen).toEqual(texts);
  following.abort();
  await follow;
});

test("a stream reads as one in the server's own tools, and goes on where somebody has trimmed it", async () => {
  const { url } = await start();
  const log = await open(url);
  await log.append(
    "s",
    ["a", "b", "c"].map((text) => Buffer.from(text)),
  );
  const admin = createClient({ url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  expect(await admin.xRange("{colloquy}:l:s", "-", "+")).toMatchObject([
    { id: "1-0", message: { d: "a" } },
    { id: "2-0", message: { d: "b" } },
    { id: "3-0", message: { d: "c" } },
  ]);
  await admin.xTrim("{colloquy}:l:s", "MAXLEN", 0);
  expect(await log.append("s", [Buffer.from("d")])).toEqual({ kind: "appended", position: 4 });
  expect(await history(log, "s")).toEqual(["d"]);
});

test("nothing to append, and what the server refuses, are outcomes", async () => {
  const { url } = await start();
  const log = await open(url);
  expect(await log.append("s", [])).toMatchObject({
    kind: "rejected",
    error: { code: "INVALID_OPTION" },
  });
  const admin = createClient({ url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  await admin.set("{colloquy}:l:taken", "by somebody else");
  expect(await log.append("taken", [Buffer.from("x")])).toMatchObject({
    kind: "rejected",
    error: { code: "INTERNAL_ERROR", message: expect.stringContaining("WRONGTYPE") },
  });
});
