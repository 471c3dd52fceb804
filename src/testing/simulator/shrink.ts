/** Makes a failing run smaller: fewer faults, then fewer messages, as long as the same promise breaks. */
import { type Plan, type PlanOptions, planOf } from "./plan.ts";
import { type RunResult, runPlan } from "./run.ts";

export interface Shrunk {
  readonly result: RunResult;
  /** What makes the smaller run out of its seed. */
  readonly options: PlanOptions;
}

/** Runs that may be spent on it. */
const runsMax = 60;

export async function shrink(failing: RunResult, given: PlanOptions = {}): Promise<Shrunk> {
  const promise = failing.violations[0]?.promise;
  const { seed, scenario, messages } = failing.plan;
  let kept = given.faults ?? failing.plan.faults.map((_, index) => index);
  let options: PlanOptions = { scenario: scenario.name, messages, faults: kept };
  let result = failing;
  let runs = 0;
  const attempt = async (smaller: PlanOptions): Promise<boolean> => {
    if (++runs > runsMax) return false;
    const plan: Plan = planOf(seed, smaller);
    const tried = await runPlan(plan);
    if (tried.violations[0]?.promise !== promise) return false;
    options = smaller;
    result = tried;
    return true;
  };
  for (const index of kept) {
    const fewer = kept.filter((other) => other !== index);
    if (await attempt({ ...options, faults: fewer })) kept = fewer;
  }
  for (let count = messages; count > 1; ) {
    const half = Math.ceil(count / 2);
    const smaller = [half, count - 1].filter((it) => it < count);
    let found = false;
    for (const fewer of smaller) {
      found = await attempt({ ...options, messages: fewer });
      if (found) {
        count = fewer;
        break;
      }
    }
    if (!found) break;
  }
  return { result, options };
}
