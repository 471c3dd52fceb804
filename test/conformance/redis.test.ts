/** The Redis broker over real servers: every case. */
import { afterAll, test } from "vitest";
import { missingServer } from "../support/brokers.ts";
import { conform } from "./support/conform.ts";
import { testedBroker } from "./support/tested-brokers.ts";

const redis = testedBroker("redis");
afterAll(async () => redis.close?.());
if (missingServer("redis")) test.skip("every case, as there is no redis-server", () => {});
else await conform(redis);
