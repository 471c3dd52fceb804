import type { EngineLimits } from "../../../broker/engine/limits.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Checker } from "../checkers/checker.ts";
import type { ScenarioEvent } from "../events.ts";
import type { FaultKind } from "../faults.ts";
import type { Program } from "../process.ts";

/** Programs that do something, and what must be true of what they did whatever happened to them. */
export interface Scenario {
  readonly name: string;
  /** Faults that its promises hold under. */
  readonly faults: readonly FaultKind[];
  /** How far a wall clock may jump besides, in some of the seeds, milliseconds. Default: none does. */
  readonly jumpMsMax?: number;
  /** Whom they befall. Default: any process, and whoever runs the hub. */
  readonly targets?: readonly string[];
  readonly checkers: readonly Checker[];
  /** How many seeds it gets for one of another scenario's. Default: 1. */
  readonly share?: number;
  readonly limits?: Partial<EngineLimits>;
  /** @param messages - how many there are in all. */
  stage(random: Random, messages: number): Stage;
}

export interface Stage {
  /** In the order in which they start. */
  readonly programs: Readonly<Record<string, Program<ScenarioEvent>>>;
  /** The run is over when these programs have come to their end. */
  readonly drivers: readonly string[];
  /** Reads in the end what the scenario has beside messages. */
  readonly observe?: Program<ScenarioEvent>;
}
