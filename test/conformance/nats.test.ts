/** The NATS broker over real servers: every case. Elsewhere than in CI one of four. */
import { test } from "vitest";
import { missingServer } from "../support/brokers.ts";
import { extent } from "../support/extent.ts";
import { conform } from "./support/conform.ts";
import { testedBroker } from "./support/tested-brokers.ts";

const every = extent({ ci: 1, here: 4 });

if (missingServer("nats")) test.skip("every case, as there is no nats-server", () => {});
else await conform(testedBroker("nats"), every);
