/** Topics, store, log and life of the NATS broker against a real server, before its queues. */
import { test } from "vitest";
import { lifecycleCases } from "../../../src/testing/conformance/lifecycle.ts";
import { logPortCases } from "../../../src/testing/conformance/log.ts";
import { storePortCases } from "../../../src/testing/conformance/store.ts";
import { topicCases } from "../../../src/testing/conformance/topics.ts";
import { watchCases } from "../../../src/testing/conformance/watch.ts";
import { casesFor } from "../../../src/testing/index.ts";
import { openNats } from "../../conformance/support/nats.ts";
import { missingServer } from "../../support/brokers.ts";

const cases = [...lifecycleCases, ...topicCases, ...storePortCases, ...watchCases, ...logPortCases];
/** Of the life of a broker. */
const needQueues = /^(calls made|after close|closing one|closing ends|what was acknowledged)/;

if (missingServer("nats")) test.skip("every case, as there is no nats-server", () => {});
else await runCases();

async function runCases(): Promise<void> {
  const { broker, close } = await openNats();
  const { capabilities } = broker;
  await close();
  const abilities = { disconnect: true, unheard: true };
  for (const { name, run } of casesFor(capabilities, cases, abilities)) {
    if (!needQueues.test(name)) test.concurrent(name, { timeout: 60_000 }, () => run(openNats));
  }
}
