/** The queues, case by case, over a real server. */
import { afterAll, describe, test } from "vitest";
import { RedisBroker } from "../../../src/broker/redis/broker.ts";
import { redisQueues } from "../../../src/broker/redis/queues/index.ts";
import { logPortCases } from "../../../src/testing/conformance/log.ts";
import { storePortCases } from "../../../src/testing/conformance/store.ts";
import { topicCases } from "../../../src/testing/conformance/topics.ts";
import { watchCases } from "../../../src/testing/conformance/watch.ts";
import { brokerCases, casesFor } from "../../../src/testing/index.ts";
import { redisSubject, redisSubjectAlone } from "../../conformance/support/redis-subject.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

/** Short, because after a crash some cases wait for it; long enough for a busy machine. */
const leaseMs = 2_000;

describe.skipIf(missingServer("redis"))("over a real server", async () => {
  if (missingServer("redis")) return;
  const server = await RedisServer.start();
  afterAll(() => server.remove());

  const openRedis = (url: string, prefix: string) =>
    RedisBroker.open({ url, prefix, leaseMs }, redisQueues);

  const broker = await openRedis(server.url, "capabilities");
  const { capabilities } = broker;
  await broker.close();

  /** Those have a test of their own. */
  const others = new Set([...topicCases, ...storePortCases, ...watchCases, ...logPortCases]);
  const abilities = { disconnect: true, unheard: true };
  for (const conformance of casesFor(capabilities, brokerCases, abilities)) {
    if (others.has(conformance)) continue;
    const { name, needs, run } = conformance;
    const open = needs.includes("durability")
      ? () => redisSubjectAlone(openRedis)
      : () => redisSubject(server, openRedis);
    test.concurrent(name, { timeout: 60_000 }, () => run(open));
  }
});
