import { createClient } from "@redis/client";
import { expect, test } from "vitest";
import type { RedisClient } from "../../../src/broker/redis/client.ts";
import { type RedisBrokerOptions, redisSettings } from "../../../src/broker/redis/options.ts";
import { systemClock } from "../../../src/runtime/clock.ts";

test("a URL is enough", () => {
  const { where, prefix, name, clock, limits, connect } = redisSettings("redis://127.0.0.1:6380/3");
  expect([where, prefix, name]).toEqual(["redis://127.0.0.1:6380/3", "colloquy", "colloquy"]);
  expect(clock).toBe(systemClock);
  expect(limits).toMatchObject({ leaseMs: 10_000, silenceMs: 10_000, backoffMaxMs: 1_000 });
  expect(connect).toEqual({ url: "redis://127.0.0.1:6380/3" });
});

test("a client of @redis/client can be handed in", () => {
  const client: RedisClient = createClient();
  expect(redisSettings({ client })).toMatchObject({ client, connect: undefined });
});

test("where the server is says nothing of who asks", () => {
  expect(redisSettings("rediss://user:secret@example.org").where).toBe("rediss://example.org");
});

const wrong: readonly (readonly [field: string, options: RedisBrokerOptions])[] = [
  ["url", {}],
  ["url", { url: "redis://h", client: createClient() }],
  ["url", { url: "http://h" }],
  ["url", { url: "h:6379" }],
  ["url", { url: "redis://h/db" }],
  ["tls", { url: "redis://h", tls: {} }],
  ["client", { client: {} as RedisClient }],
  ["prefix", { url: "redis://h", prefix: "" }],
  ["prefix", { url: "redis://h", prefix: "a{b}" }],
  ["prefix", { url: "redis://h", prefix: "a*" }],
  ["name", { url: "redis://h", name: "x".repeat(257) }],
  ["leaseMs", { url: "redis://h", leaseMs: 99 }],
  ["silenceMs", { url: "redis://h", silenceMs: 0 }],
  ["connectTimeoutMs", { url: "redis://h", connectTimeoutMs: Number.NaN }],
  ["waitingBytesMax", { url: "redis://h", waitingBytesMax: Number.POSITIVE_INFINITY }],
  ["backoffMaxMs", { url: "redis://h", backoffMinMs: 2_000 }],
];

for (const [field, options] of wrong) {
  test(`${field} is refused by name: ${Object.entries(options)}`.slice(0, 100), () => {
    expect(() => redisSettings(options)).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        details: expect.objectContaining({ field }),
      }),
    );
  });
}

test("a refused URL is not shown: there may be a password in it", () => {
  expect(() => redisSettings("http://user:secret@h")).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("secret") }),
  );
});
