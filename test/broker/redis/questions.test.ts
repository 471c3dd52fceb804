/** Handlers that ask, over a real server: the room that they make while they wait. */
import { test as anyTest, expect, onTestFinished } from "vitest";
import { openRedisBroker } from "../../../src/broker/redis/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const test = anyTest.skipIf(missingServer("redis"));

test("what was reported before a question does not take back the room that it makes", async () => {
  const server = await RedisServer.start();
  onTestFinished(() => server.remove());
  const { queues, close } = await openRedisBroker(server.url).then((broker) => ({
    queues: broker.queues,
    close: () => broker.close(),
  }));
  onTestFinished(close);
  await queues.declare(["q"]);
  const frame = Buffer.from("x");
  const messages = ["1", "2", "3"].map(
    (id) => ({ frame, lane: 2, guarantee: "at-least-once", id }) as const,
  );
  await queues.enqueue("q", messages);
  const receiving = new AbortController();
  onTestFinished(() => receiving.abort());
  let received = 0;
  for await (const batch of queues.receive("q", { credit: 1, consumer: "c" }, receiving.signal)) {
    received += batch.length;
    if (received === messages.length) break;
    for (const claim of batch) {
      // Neither waits for the other, as when somebody begins to follow the message meanwhile.
      const outcomes = await Promise.all([
        queues.report([{ ...claim, kind: "started" }]),
        queues.report([{ ...claim, kind: "waiting-input", number: 1, question: frame }]),
      ]);
      expect(outcomes).toEqual([[{ kind: "taken" }], [{ kind: "taken" }]]);
    }
  }
  expect(received).toBe(messages.length);
});
