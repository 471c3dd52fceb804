/** Queues of the NATS broker against a real server. */
import { test } from "vitest";
import { brokerCases, casesFor } from "../../../src/testing/index.ts";
import { openNats } from "../../conformance/support/nats.ts";
import { missingServer } from "../../support/brokers.ts";

if (missingServer("nats")) test.skip("every case, as there is no nats-server", () => {});
else await runCases();

async function runCases(): Promise<void> {
  const { broker, close } = await openNats();
  const { capabilities } = broker;
  await close();
  const abilities = { disconnect: true, unheard: true };
  for (const { name, run } of casesFor(capabilities, brokerCases, abilities)) {
    test.concurrent(name, { timeout: 60_000 }, () => run(openNats));
  }
}
