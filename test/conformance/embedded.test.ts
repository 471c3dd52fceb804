/** The embedded broker as it is used: the owner's hub in its thread, everybody a client of it. */
import { conform } from "./support/conform.ts";
import { testedBroker } from "./support/tested-brokers.ts";

await conform(testedBroker("embedded"));
