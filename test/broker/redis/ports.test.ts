/** Topics, store and log over a real server; queues have their own tests. */
import { afterAll, test } from "vitest";
import { RedisBroker } from "../../../src/broker/redis/broker.ts";
import { logPortCases } from "../../../src/testing/conformance/log.ts";
import { storePortCases } from "../../../src/testing/conformance/store.ts";
import { topicCases } from "../../../src/testing/conformance/topics.ts";
import { watchCases } from "../../../src/testing/conformance/watch.ts";
import { casesFor, NullBroker } from "../../../src/testing/index.ts";
import { redisSubject, redisSubjectAlone } from "../../conformance/support/redis-subject.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const server = await RedisServer.start();
afterAll(() => server.remove());

const openRedis = (url: string, prefix: string) =>
  RedisBroker.open({ url, prefix }, () => new NullBroker().queues);

const { capabilities, close } = await openRedis(server.url, "capabilities").then((broker) => ({
  capabilities: broker.capabilities,
  close: () => broker.close(),
}));
await close();

const cases = [...topicCases, ...storePortCases, ...watchCases, ...logPortCases];
for (const { name, needs, run } of casesFor(capabilities, cases, {
  disconnect: true,
  unheard: true,
})) {
  const open = needs.includes("durability")
    ? () => redisSubjectAlone(openRedis)
    : () => redisSubject(server, openRedis);
  test.concurrent(name, { timeout: 60_000 }, () => run(open));
}
