/** The embedded broker as it is used: the owner's hub in its thread, everybody a client of it. */
import { extent } from "../support/extent.ts";
import { conform } from "./support/conform.ts";
import { testedBroker } from "./support/tested-brokers.ts";

/** Each case starts a thread, some several. What is below it, a store and hubs, has all of them in every run. */
const every = extent({ ci: 1, here: 6 });

await conform(testedBroker("embedded"), every);
