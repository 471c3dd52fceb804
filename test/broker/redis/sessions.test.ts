/** Who is there, by the server's clock, which is moved by moving what was written down. */
import { createClient } from "@redis/client";
import { afterAll, test as anyTest, beforeAll, expect, onTestFinished } from "vitest";
import { library } from "../../../src/broker/redis/library.ts";
import { beatScript } from "../../../src/broker/redis/sessions.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const test = anyTest.skipIf(missingServer("redis"));
const leaseMs = 600_000;
let server: RedisServer;
beforeAll(async () => {
  if (!missingServer("redis")) server = await RedisServer.start();
});
afterAll(() => server?.remove());

async function openPlace(prefix: string) {
  const admin = createClient({ url: server.url });
  admin.on("error", () => {});
  await admin.connect();
  onTestFinished(() => admin.destroy());
  await admin.sendCommand(["FUNCTION", "LOAD", "REPLACE", library.text]);
  const sessions = `{${prefix}}:sessions`;
  const there = () => admin.zRange(sessions, 0, -1);
  return {
    there,
    beat: (session: string) => {
      const call = ["FCALL", library.functionOf(beatScript), "1", sessions];
      return admin.sendCommand([...call, session, String(leaseMs), ""]);
    },
    passes: async (ms: number) => {
      await admin.decrBy(`${sessions}:last`, ms);
      for (const session of await there()) await admin.zIncrBy(sessions, -ms, session);
    },
  };
}

test("who has gone is found out also where all others are always late", async () => {
  const { beat, passes, there } = await openPlace("late");
  await beat("gone");
  await beat("there");
  for (let round = 0; round < 4; round++) {
    await passes(0.6 * leaseMs);
    await beat("there");
    await passes(0.3 * leaseMs);
    await beat("there");
  }
  expect(await there()).toEqual(["there"]);
});

test("who was there before nobody was for long has time to come back", async () => {
  const { beat, passes, there } = await openPlace("away");
  await beat("slow");
  await passes(10 * leaseMs);
  await beat("quick");
  await passes(0.2 * leaseMs);
  await beat("quick");
  expect(await there()).toEqual(["slow", "quick"]);
});
