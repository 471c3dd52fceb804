import { atLeastOnceScenario } from "./at-least-once.ts";
import { atMostOnceScenario } from "./at-most-once.ts";
import { conflictsScenario } from "./conflicts.ts";
import { deadLettersScenario } from "./dead-letters.ts";
import { exactlyOnceScenario } from "./exactly-once.ts";
import { expiryScenario } from "./expiry.ts";
import { keyOrderScenario } from "./key-order.ts";
import { longTurnsScenario } from "./long-turns.ts";
import { mailboxChurnScenario } from "./mailbox-churn.ts";
import { prioritiesScenario } from "./priorities.ts";
import { questionsScenario } from "./questions.ts";
import { requestsScenario } from "./requests.ts";
import type { Scenario } from "./scenario.ts";
import { scheduleScenario } from "./schedule.ts";
import { takeoverScenario } from "./takeover.ts";
import { withdrawalsScenario } from "./withdrawals.ts";

export const scenarios: readonly Scenario[] = [
  atLeastOnceScenario,
  atMostOnceScenario,
  exactlyOnceScenario,
  keyOrderScenario,
  prioritiesScenario,
  expiryScenario,
  scheduleScenario,
  deadLettersScenario,
  takeoverScenario,
  longTurnsScenario,
  withdrawalsScenario,
  requestsScenario,
  conflictsScenario,
  mailboxChurnScenario,
  questionsScenario,
];
