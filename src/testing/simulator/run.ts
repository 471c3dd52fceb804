/** Runs a plan from beginning to end, and holds what happened against the promises. */
import { isColloquyError } from "../../errors.ts";
import { SeededRandom } from "../../runtime/random.ts";
import type { Violation } from "./checkers/checker.ts";
import { observerName, type ScenarioEvent, type ScenarioHistory } from "./events.ts";
import { inflict } from "./faults.ts";
import { digestOf } from "./history.ts";
import type { Plan } from "./plan.ts";
import type { Stage } from "./scenarios/scenario.ts";
import { takeStock } from "./stock.ts";
import { World } from "./world.ts";

export interface RunResult {
  readonly plan: Plan;
  readonly violations: readonly Violation[];
  readonly history: ScenarioHistory;
  /** Virtual milliseconds that it took. */
  readonly elapsedMs: number;
  /** The same for the same run. */
  digest(): string;
}

/** Virtual time in which a run must have come to its end: far longer than the longest pause. */
const withinMs = 150_000;

const conditions = { latencyMs: { min: 0, max: 3 } } as const;

export async function runPlan(plan: Plan): Promise<RunResult> {
  const { seed, scenario, messages } = plan;
  const stage = scenario.stage(new SeededRandom(seed), messages);
  const world = new World<ScenarioEvent>({
    seed,
    programs: stage.programs,
    conditions,
    ...(scenario.limits === undefined ? {} : { engineLimits: scenario.limits }),
  });
  const violations: Violation[] = [];
  try {
    await world.clock.until(act(world, plan, stage), withinMs);
  } catch (error) {
    if (!isColloquyError(error, "TIMEOUT")) throw error;
    violations.push({ promise: "G2", what: `the run did not come to an end: ${error.message}` });
  }
  const { history } = world;
  // A run that was cut off has not taken stock.
  if (violations.length === 0) {
    for (const check of scenario.checkers) violations.push(...check(history));
  }
  const elapsedMs = world.clock.monotonicMs();
  return { plan, violations, history, elapsedMs, digest: () => digestOf(history) };
}

async function act(
  world: World<ScenarioEvent>,
  { faults }: Plan,
  { drivers, observe }: Stage,
): Promise<void> {
  for (const name of world.names) world.start(name);
  await Promise.all(faults.map((fault) => inflict(world, fault)));
  // What was prepared for the next commit or write happens within the run, or not at all.
  world.disk.fault = undefined;
  world.disk.onStep = undefined;
  while (!drivers.every((name) => world.hasFinished(name))) await wait(world, 20);
  const observer = world.enter(observerName);
  await takeStock(observer);
  if (observe !== undefined) await Promise.resolve(observe(observer));
}

function wait(world: World<ScenarioEvent>, ms: number): Promise<void> {
  return new Promise((resolve) => world.clock.setTimer(ms, resolve));
}
