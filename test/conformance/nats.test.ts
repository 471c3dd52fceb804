/** The NATS broker over real servers: every case. */
import { test } from "vitest";
import { missingServer } from "../support/brokers.ts";
import { conform } from "./support/conform.ts";
import { testedBroker } from "./support/tested-brokers.ts";

if (missingServer("nats")) test.skip("every case, as there is no nats-server", () => {});
else await conform(testedBroker("nats"));
