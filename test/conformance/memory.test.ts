import { conform } from "./support/conform.ts";
import { testedBroker } from "./support/tested-brokers.ts";

await conform(testedBroker("memory"));
