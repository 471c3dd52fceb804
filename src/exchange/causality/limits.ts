import { ColloquyError } from "../../errors.ts";
import { pathMax } from "../../message/limits.ts";

/** What bounds a chain of calls, each made by the handler of the one before. */
export interface CausalityLimits {
  /** Times that one message may cause another in turn, 0 to 64. Default: 32. */
  readonly hopsMax: number;
  /** Times that one method of one agent may lead to a call of itself, 1 or more. Default: 3. */
  readonly loopsMax: number;
}

export const causalityLimits: CausalityLimits = { hopsMax: 32, loopsMax: 3 };

/** @throws INVALID_OPTION naming the limit, its value and what it may be. */
export function checkLimits(limits: Partial<CausalityLimits> = {}): CausalityLimits {
  const checked = { ...causalityLimits, ...limits };
  check("limits.hopsMax", checked.hopsMax, 0, pathMax);
  check("limits.loopsMax", checked.loopsMax, 1, Number.MAX_SAFE_INTEGER);
  return checked;
}

function check(field: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const limit = `a whole number from ${least} to ${most}`;
  throw new ColloquyError("INVALID_OPTION", `${field}: ${String(value)} is not ${limit}`, {
    details: { field, value: String(value), limit },
  });
}
