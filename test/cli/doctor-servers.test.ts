/** `colloquy doctor --broker`: real servers, set well and badly, and what is said of each setting. */
import { afterAll, describe, expect, test } from "vitest";
import { missingServer } from "../support/brokers.ts";
import { NatsServer } from "../support/servers/nats.ts";
import { RedisServer } from "../support/servers/redis.ts";
import { jsonLines, shell } from "./support/shell.ts";

interface Told {
  readonly check: string;
  readonly verdict: string;
  readonly found: string;
  readonly remedy?: string;
}

async function examine(...args: readonly string[]) {
  const { exitCode, stdout } = await shell(["doctor", "--json", ...args]);
  const told = jsonLines(stdout) as readonly Told[];
  return { exitCode, told, of: (check: string) => told.find((it) => it.check === check) };
}

describe.skipIf(missingServer("nats"))("NATS", () => {
  const servers: NatsServer[] = [];
  const start = async (...settings: Parameters<typeof NatsServer.start>) => {
    const server = await NatsServer.start(...settings);
    servers.push(server);
    return server;
  };
  afterAll(() => Promise.all(servers.map((server) => server.remove())));

  test("a server that flushes, and can be asked whether it does, covers os", async () => {
    const { url, monitorUrl } = await start();
    const broker = `${url}?monitor=${monitorUrl}`;
    const { exitCode, of } = await examine("--broker", broker, "--durability", "os");
    expect(of("sync_interval")).toMatchObject({ verdict: "ok" });
    expect(of("durability")).toMatchObject({
      verdict: "ok",
      found: expect.stringMatching(/^os: .*replicas 1.*; covers os$/),
    });
    expect(exitCode).toBe(0);

    const cluster = await examine("--url", broker, "--durability", "replicated+fsync");
    expect(cluster.of("replicas")).toMatchObject({
      verdict: "fail",
      remedy: expect.stringMatching("three servers"),
    });
    expect(cluster.of("durability")?.verdict).toBe("fail");
    expect(cluster.exitCode).toBe(1);
  });

  test("one that flushes every two minutes works, and does not cover os", async () => {
    const { url, monitorUrl } = await start({ syncInterval: undefined, maxPayload: "1MB" });
    const broker = `${url}?monitor=${monitorUrl}`;
    const asItIs = await examine("--broker", broker);
    expect(asItIs.exitCode).toBe(0);
    expect(asItIs.of("sync_interval")).toMatchObject({
      verdict: "warn",
      remedy: expect.stringMatching("sync_interval: always"),
    });
    expect(asItIs.of("longest frame")).toMatchObject({
      verdict: "warn",
      remedy: expect.stringMatching("max_payload: 8MB"),
    });
    const wanted = await examine("--broker", broker, "--durability", "os");
    expect(wanted.exitCode).toBe(1);
    expect(wanted.of("sync_interval")?.verdict).toBe("fail");
    expect(wanted.of("durability")?.found).toMatch("does not cover os");
    const { stdout } = await shell(["doctor", "--broker", broker], { columns: 60 });
    expect(stdout).toMatch(/CHECK +FOUND/);
    // However narrow the terminal, what to do is told to the end.
    expect(stdout).toContain(`→ ${wanted.of("sync_interval")?.remedy}\n`);
  });

  test("one that is away, has no JetStream, or is named in a way that says nothing", async () => {
    const { url } = await start({ jetstream: false });
    const without = await examine("--broker", url);
    expect(without.exitCode).toBe(1);
    expect(without.of("server")).toMatchObject({
      verdict: "fail",
      remedy: expect.stringMatching("jetstream"),
    });
    const away = await examine("--broker", "nats://127.0.0.1:1");
    expect(away.exitCode).toBe(1);
    expect(away.of("server")?.remedy).toMatch("start it");
    const wrong = await shell(["doctor", "--broker", "nats://user:secret@host?nonsense=1"]);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toMatch(/\?nonsense= is not one of prefix/);
    expect(wrong.stderr).not.toMatch("secret");
  });
});

describe.skipIf(missingServer("redis"))("Redis", () => {
  test("one that is away: what to do is told once", async () => {
    const away = await examine("--broker", "redis://127.0.0.1:1");
    const { found, remedy } = away.of("server") ?? {};
    expect(remedy).toMatch("is the server up");
    expect(found).not.toContain(remedy);
  });

  test("each setting is told with what to write into redis.conf, and a better one makes it well", async () => {
    const server = await RedisServer.start({
      appendfsync: "everysec",
      "maxmemory-policy": "allkeys-lru",
    });
    try {
      const asItIs = await examine("--broker", server.url);
      expect(asItIs.exitCode).toBe(0);
      expect(asItIs.of("appendfsync")).toMatchObject({
        verdict: "warn",
        remedy: expect.stringMatching("appendfsync always"),
      });
      expect(asItIs.of("durability")).toMatchObject({ verdict: "warn" });
      const kept = await examine("--broker", server.url, "--durability", "process");
      expect(kept.exitCode).toBe(1);
      expect(kept.of("maxmemory-policy")).toMatchObject({
        verdict: "fail",
        remedy: expect.stringMatching("CONFIG SET maxmemory-policy noeviction"),
      });
    } finally {
      await server.remove();
    }
    const better = await RedisServer.start();
    try {
      const kept = await examine("--broker", better.url, "--durability", "process");
      expect(kept.told.filter(({ verdict }) => verdict === "fail")).toEqual([]);
      expect(kept.exitCode).toBe(0);
      const more = await examine("--broker", better.url, "--durability", "replicated");
      expect(more.of("durability")).toMatchObject({
        verdict: "fail",
        remedy: expect.stringMatching("choose another broker"),
      });
    } finally {
      await better.remove();
    }
  });
});
