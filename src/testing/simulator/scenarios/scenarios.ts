import { atLeastOnceScenario } from "./at-least-once.ts";
import type { Scenario } from "./scenario.ts";

export const scenarios: readonly Scenario[] = [atLeastOnceScenario];
