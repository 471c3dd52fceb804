/**
 * Runs programs of your own as processes of one fabric, in one thread, on a virtual clock, under faults
 * drawn from a seed: the same seed is the same run. What runs is the real code of agents, hub and
 * queues; simulated are time, the links between processes, the disk, and the deaths.
 */
import {
  aboveZero,
  aFunction,
  anObject,
  type Checks,
  checkOptions,
  listOf,
  number,
  oneOf,
  wholeNumber,
} from "../../message/checks.ts";
import { SeededRandom } from "../../runtime/random.ts";
import {
  describeFault,
  drawFaults,
  everyFault,
  type Fault,
  type FaultKind,
  inflict,
  owner,
} from "./faults.ts";
import { type AnyRecorded, digestOf } from "./history.ts";
import type { Program } from "./process.ts";
import { World } from "./world.ts";

export interface Simulation<Event> {
  readonly seed: number;
  /** By name, in the order in which they start; the first to join runs the hub until it ends. */
  readonly processes: Readonly<Record<string, Program<Event>>>;
  /**
   * The test itself: a process that no fault befalls, though its links may break with the hub. The run
   * is over when it returns, and has failed when it throws.
   */
  readonly test: Program<Event>;
  /** What may go wrong. Default: everything but jumps of the wall clock. */
  readonly faults?: readonly FaultKind[];
  /** At most so many of it, and one at least. Default: 4. */
  readonly faultsMax?: number;
  /** None begins later, virtual milliseconds. Default: 1,000. */
  readonly faultsUntilMs?: number;
  /** Virtual milliseconds in which the test must be over. Default: ten minutes. */
  readonly withinMs?: number;
}

export interface SimulationResult<Event> {
  readonly history: readonly AnyRecorded<Event>[];
  /** What went wrong, a line each. */
  readonly faults: readonly string[];
  /** The same for the same run. */
  readonly digest: string;
}

const simulationChecks: Checks<Simulation<unknown>> = {
  seed: wholeNumber(0),
  processes: anObject,
  test: aFunction,
  faults: listOf(oneOf(...everyFault)),
  faultsMax: wholeNumber(1),
  faultsUntilMs: number(0),
  withinMs: aboveZero,
};

/** Between two processes. */
const conditions = { latencyMs: { min: 0, max: 3 } } as const;
const testName = "test";

/**
 * Runs the simulation of one seed.
 *
 * @throws INVALID_OPTION; Error with the seed, the faults without which it does not fail, and as its cause what the test threw.
 */
export async function simulate<Event = never>(
  simulation: Simulation<Event>,
): Promise<SimulationResult<Event>> {
  checkOptions<Simulation<Event>>(simulation, simulationChecks);
  let faults = faultsOf(simulation);
  let run = await attempt(simulation, faults);
  const { failure } = run;
  if (failure === undefined) return resultOf(run.world, faults);
  for (const fault of faults) {
    const fewer = faults.filter((other) => other !== fault);
    const smaller = await attempt(simulation, fewer);
    if (smaller.failure === undefined) continue;
    faults = fewer;
    run = smaller;
  }
  const { cause } = run.failure ?? failure;
  const why = cause instanceof Error ? cause.message : String(cause);
  const lines =
    faults.length === 0 ? ["  no faults at all"] : faults.map((it) => `  ${describeFault(it)}`);
  throw new Error([`seed ${simulation.seed} fails: ${why}`, "with", ...lines].join("\n"), {
    cause,
  });
}

interface Attempt<Event> {
  readonly world: World<Event>;
  readonly failure: { readonly cause: unknown } | undefined;
}

async function attempt<Event>(
  { seed, processes, test, withinMs = 600_000 }: Simulation<Event>,
  faults: readonly Fault[],
): Promise<Attempt<Event>> {
  const world = new World<Event>({ seed, programs: processes, conditions });
  for (const name of world.names) world.start(name);
  for (const fault of faults) inflict(world, fault).catch(() => {});
  const life = world.enter(testName, { mayOwn: false });
  try {
    await world.clock.until(Promise.resolve(test(life)), withinMs);
    return { world, failure: undefined };
  } catch (cause) {
    return { world, failure: { cause } };
  }
}

function faultsOf<Event>(simulation: Simulation<Event>): readonly Fault[] {
  const { seed, processes, faults: kinds = everyFault } = simulation;
  const { faultsMax = 4, faultsUntilMs: untilMs = 1_000 } = simulation;
  const random = new SeededRandom(seed * 2 ** 20);
  if (kinds.length === 0) return [];
  const count = 1 + (random.uint32() % faultsMax);
  const targets = [owner, ...Object.keys(processes)];
  return drawFaults(random, { kinds, targets, untilMs, count });
}

function resultOf<Event>(world: World<Event>, faults: readonly Fault[]): SimulationResult<Event> {
  const { history } = world;
  return { history, faults: faults.map(describeFault), digest: digestOf(history) };
}
