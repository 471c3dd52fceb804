/** What a seed stands for: a scenario, how much of it, and what goes wrong. */
import { ColloquyError } from "../../errors.ts";
import { SeededRandom } from "../../runtime/random.ts";
import { drawFaults, type Fault, owner } from "./faults.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { scenarios } from "./scenarios/scenarios.ts";

export interface Plan {
  readonly seed: number;
  readonly scenario: Scenario;
  readonly messages: number;
  readonly faults: readonly Fault[];
}

export interface PlanOptions {
  /** Instead of the one that the seed chooses. */
  readonly scenario?: string;
  /** Instead of as many as the seed says. */
  readonly messages?: number;
  /** Which of the seed's faults happen, by their number from 0. Default: all. */
  readonly faults?: readonly number[];
}

const messagesMin = 50;
const messagesSpread = 30;
const faultsMax = 4;
/** None begins later, virtual milliseconds. */
const untilMs = 400;
/** One seed in so many has a wall clock that jumps, besides, where its scenario lets it. */
const jumpsInverse = 4;

/** Seeds take their turns at it, so that every range of seeds has its share of each scenario. */
const turns: readonly Scenario[] = scenarios.flatMap((scenario) =>
  Array.from({ length: scenario.share ?? 1 }, () => scenario),
);

/** @throws INVALID_OPTION for a scenario that there is not. */
export function planOf(seed: number, options: PlanOptions = {}): Plan {
  const random = new SeededRandom(seed * 2 ** 20);
  const scenario =
    options.scenario === undefined
      ? (turns[seed % turns.length] as Scenario)
      : scenarioNamed(options.scenario);
  const messages = messagesMin + (random.uint32() % messagesSpread);
  const stage = scenario.stage(new SeededRandom(seed), messages);
  const targets = scenario.targets ?? [owner, ...Object.keys(stage.programs)];
  const all = [
    ...drawFaults(random, {
      kinds: scenario.faults,
      targets,
      untilMs,
      count: 1 + (random.uint32() % faultsMax),
    }),
    ...jumpOf(seed, scenario, targets),
  ];
  return {
    seed,
    scenario,
    messages: options.messages ?? messages,
    faults: options.faults === undefined ? all : options.faults.flatMap((it) => all[it] ?? []),
  };
}

/** By chance of its own, so that it changes none of the other faults. */
function jumpOf(
  seed: number,
  { jumpMsMax }: Scenario,
  targets: readonly string[],
): readonly Fault[] {
  if (jumpMsMax === undefined) return [];
  const random = new SeededRandom(seed * 2 ** 20 + 7);
  if (random.uint32() % jumpsInverse !== 0) return [];
  return drawFaults(random, { kinds: ["wall-clock"], targets, untilMs, count: 1, jumpMsMax });
}

function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  const known = scenarios.map((scenario) => scenario.name).join(", ");
  throw new ColloquyError("INVALID_OPTION", `scenario: there is no ${name}, but ${known}`);
}
