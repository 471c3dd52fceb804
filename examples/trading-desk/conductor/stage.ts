/** What the conductor has at hand in a run. */
import type { Agent, Network } from "colloquy";
import type { Place } from "./place.ts";
import type { Processes } from "./processes.ts";
import type { Terminal } from "./terminal.ts";

export interface Stage {
  readonly net: Network;
  readonly agent: Agent;
  readonly place: Place;
  readonly processes: Processes;
  readonly terminal: Terminal;
  /** To be called whenever something happens at the desk. */
  readonly onNews: () => void;
  /** Aborts when the run has to end before its time. */
  readonly signal: AbortSignal;
}
