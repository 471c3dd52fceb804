/** Passwords and tokens stand in URLs: whatever is wrong with one, no error shows them. */
import { join as joinFromPage } from "colloquy/browser";
import { openNatsBroker } from "colloquy/nats";
import { openRedisBroker } from "colloquy/redis";
import { expect, test } from "vitest";
import { join } from "../../src/network/join.ts";

const quiet = { drainOnSignals: false };

test.each([
  ["an unknown scheme", () => join("amqp://user:hunter2@host", quiet)],
  ["an unknown scheme, a slash in it", () => join("http://user:a/hunter2@host", quiet)],
  ["TCP, which has none", () => join("tcp://user:hunter2@host", quiet)],
  ["TCP, in a query", () => join("tcp://host?token=hunter2", quiet)],
  ["a WebSocket where nobody is", () => join("ws://user:hunter2@127.0.0.1:1/?t=hunter2", quiet)],
  ["a WebSocket at no host", () => join("wss://user:hunter2@ h", quiet)],
  ["memory", () => join("memory://user:hunter2@host", quiet)],
  ["a page", () => joinFromPage("amqp://user:hunter2@host")],
  ["NATS, a password without a user", () => openNatsBroker("nats://:hunter2@host")],
  ["NATS, several users", () => openNatsBroker("nats://a:hunter2@one,b:hunter2@two")],
  [
    "NATS, a user of the second only",
    () => openNatsBroker("nats://127.0.0.1:1,b:hunter2@127.0.0.1:1"),
  ],
  ["NATS where nobody is", () => openNatsBroker("nats://a:hunter2@127.0.0.1:1")],
  ["NATS, no port", () => openNatsBroker("nats://a:hunter2@one:port")],
  ["Redis where nobody is", () => openRedisBroker("redis://a:hunter2@127.0.0.1:1")],
  ["Redis, a slash in it", () => openRedisBroker("redis://a:hunter2/b@127.0.0.1:1")],
  ["Redis, no database", () => openRedisBroker("redis://a:hunter2@127.0.0.1:1/hunter2x")],
])("%s: nothing secret is shown", async (_name, open) => {
  const error = await open().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  const { message, stack = "" } = error as Error;
  expect(`${message} ${stack} ${JSON.stringify(error)}`).not.toContain("hunter2");
});
