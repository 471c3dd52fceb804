import type { EngineLimits } from "../../../broker/engine/limits.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Checker } from "../checkers/checker.ts";
import type { FaultKind } from "../faults.ts";
import type { OrderEvent } from "../orders.ts";
import type { Program } from "../process.ts";

/** Programs that do something, and what must be true of what they did whatever happened to them. */
export interface Scenario {
  readonly name: string;
  /** Faults that its promises hold under. */
  readonly faults: readonly FaultKind[];
  readonly checkers: readonly Checker[];
  readonly limits?: Partial<EngineLimits>;
  /** @param messages - how many there are in all. */
  stage(random: Random, messages: number): Stage;
}

export interface Stage {
  /** In the order in which they start. */
  readonly programs: Readonly<Record<string, Program<OrderEvent>>>;
  /** The run is over when these programs have come to their end. */
  readonly drivers: readonly string[];
}
