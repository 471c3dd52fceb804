/** The Redis broker over real servers: every case. Elsewhere than in CI one of four. */
import { afterAll, test } from "vitest";
import { missingServer } from "../support/brokers.ts";
import { extent } from "../support/extent.ts";
import { conform } from "./support/conform.ts";
import { testedBroker } from "./support/tested-brokers.ts";

const redis = testedBroker("redis");
afterAll(async () => redis.close?.());
const every = extent({ ci: 1, here: 4 });
if (missingServer("redis")) test.skip("every case, as there is no redis-server", () => {});
else await conform(redis, every);
