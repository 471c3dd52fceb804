import { type Checks, checkOptions, wholeNumber, withDefaults } from "../../message/checks.ts";
import { pathMax } from "../../message/limits.ts";

/** What bounds a chain of calls, each made by the handler of the one before. */
export interface CausalityLimits {
  /** Times that one message may cause another in turn, 0 to 64. Default: 32. */
  readonly hopsMax: number;
  /** Times that one method of one agent may lead to a call of itself, 1 or more. Default: 3. */
  readonly loopsMax: number;
}

export const causalityLimits: CausalityLimits = { hopsMax: 32, loopsMax: 3 };

export const limitChecks: Checks<CausalityLimits> = {
  hopsMax: wholeNumber(0, pathMax),
  loopsMax: wholeNumber(1),
};

/** @throws INVALID_OPTION naming the limit, its value and what it may be. */
export function checkLimits(limits: Partial<CausalityLimits> = {}): CausalityLimits {
  checkOptions(limits, limitChecks, "limits");
  return withDefaults(limits, causalityLimits);
}
