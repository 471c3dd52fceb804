import { expect, test } from "vitest";
import { type NatsBrokerOptions, natsSettings } from "../../../src/broker/nats/options.ts";

test("a URL says where, and who", () => {
  expect(natsSettings("nats://one").connect).toEqual({
    servers: ["one:4222"],
    timeoutMs: 5_000,
  });
  expect(natsSettings("nats://user:p%40ss@one:1,two:2, nats://[::1]:3").connect).toMatchObject({
    servers: ["one:1", "two:2", "[::1]:3"],
    user: "user",
    pass: "p@ss",
  });
  expect(natsSettings("tls://secret@one").connect).toMatchObject({ token: "secret", tls: {} });
});

test("who comes is said once for all servers, by whichever of them", () => {
  const connect = { servers: ["one:4222", "two:4222"], user: "a", pass: "b" };
  for (const servers of ["nats://a:b@one,two", "nats://one,a:b@two", "nats://a:b@one,a:b@two"]) {
    expect(natsSettings(servers).connect).toMatchObject(connect);
  }
});

test("everything has a default", () => {
  expect(natsSettings({})).toMatchObject({
    connect: { servers: ["127.0.0.1:4222"] },
    name: "nats://127.0.0.1:4222",
    prefix: "colloquy",
    replicas: undefined,
    inboxPrefix: "_INBOX",
  });
});

test("a name never shows a password", () => {
  expect(natsSettings("nats://user:secret@one:1").name).toBe("nats://one:1");
  for (const servers of [
    "http://user:secret@one",
    "nats://user:secret@one/path",
    "nats://:secret@",
  ]) {
    expect(() => natsSettings(servers)).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        message: expect.not.stringContaining("secret"),
      }),
    );
  }
});

test.for<[string, NatsBrokerOptions]>([
  ["servers", { servers: [] }],
  ["servers", { servers: "redis://one" }],
  ["servers", { servers: "nats://one:notaport" }],
  ["servers", { servers: "nats://:password@one" }],
  ["servers", { servers: "nats://a:b@one,c:d@two" }],
  ["prefix", { prefix: "a.b" }],
  ["prefix", { prefix: "" }],
  ["replicas", { replicas: 2 as 3 }],
  ["inboxPrefix", { inboxPrefix: "a..b" }],
  ["leaseMs", { leaseMs: 0 }],
  ["requestTimeoutMs", { requestTimeoutMs: Number.NaN }],
  ["connectTimeoutMs", { connectTimeoutMs: -1 }],
  ["duplicateWindowMs", { duplicateWindowMs: 10 }],
])("%s that cannot be is refused by name: %o", ([field, options]) => {
  expect(() => natsSettings(options)).toThrow(
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: expect.objectContaining({ field }),
    }),
  );
});
