/** What is listened to, over a real server and links that break. */
import { afterAll, test as anyTest, beforeAll, expect, onTestFinished } from "vitest";
import { prototypeClient } from "../../../src/broker/redis/client.ts";
import { RedisConnection } from "../../../src/broker/redis/connection.ts";
import { redisSettings } from "../../../src/broker/redis/options.ts";
import { ScriptLibrary } from "../../../src/broker/redis/script-library.ts";
import { Subscriptions } from "../../../src/broker/redis/subscriptions.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const test = anyTest.skipIf(missingServer("redis"));
let server: RedisServer;
beforeAll(async () => {
  if (!missingServer("redis")) server = await RedisServer.start();
});
afterAll(() => server?.remove());

test("what is listened to is in force on each link before whoever comes after it begins", async () => {
  const options = redisSettings({ url: server.url, prefix: "listening", backoffMaxMs: 20 });
  const prototype = await prototypeClient(options.connect ?? {});
  const connection = new RedisConnection(options, prototype, new ScriptLibrary([], []));
  onTestFinished(() => connection.close());
  const subscriptions = new Subscriptions(connection);
  const heard: string[] = [];
  const receive = (message: Buffer) => void heard.push(String(message));
  subscriptions.listen("listening", false, { receive });
  subscriptions.listen("listen*", true, { receive });
  let links = 0;
  const counted: unknown[] = [];
  connection.add({
    begin: async (link) => {
      counted.push(await link.send(["PUBLISH", "listening", `link ${++links}`]));
    },
  });
  await connection.open();
  for (let link = 1; link <= 3; link++) {
    await expect.poll(() => heard.slice(-2)).toEqual([`link ${link}`, `link ${link}`]);
    connection.link?.destroy(new Error("planted"));
    await connection.command(["PING"]);
  }
  expect(counted).toEqual([2, 2, 2, 2]);
});
