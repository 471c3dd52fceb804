import { backlogCases } from "./backlog.ts";
import { cancelCases } from "./cancelling.ts";
import type { ConformanceCase } from "./case.ts";
import { creditCases } from "./credit.ts";
import { deadLetterCases } from "./dead-letters.ts";
import { timeCases } from "./delay.ts";
import { effectCases } from "./effects.ts";
import { onceCases } from "./exactly-once.ts";
import { followCases, historyCases, inputCases } from "./following.ts";
import { leaseCases } from "./leases.ts";
import { lifecycleCases } from "./lifecycle.ts";
import { logPortCases } from "./log.ts";
import { mailboxCases } from "./mailboxes.ts";
import { orderCases } from "./order.ts";
import { queueCases } from "./queues.ts";
import { storePortCases } from "./store.ts";
import { stressCases } from "./stress.ts";
import { topicCases } from "./topics.ts";
import { browseCases, trackCases } from "./tracking.ts";
import { watchCases } from "./watch.ts";

/** What the contract of the four ports says, case by case. Choose with `casesFor`. */
export const brokerCases: readonly ConformanceCase[] = [
  ...lifecycleCases,
  ...topicCases,
  ...mailboxCases,
  ...queueCases,
  ...creditCases,
  ...trackCases,
  ...browseCases,
  ...orderCases,
  ...timeCases,
  ...onceCases,
  ...leaseCases,
  ...cancelCases,
  ...followCases,
  ...inputCases,
  ...historyCases,
  ...effectCases,
  ...deadLetterCases,
  ...storePortCases,
  ...watchCases,
  ...logPortCases,
  ...backlogCases,
  ...stressCases,
];
