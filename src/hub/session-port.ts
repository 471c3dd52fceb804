import type { FrameOutput } from "../link/frame-output.ts";
import type { Frame, FrameType } from "../message/frame.ts";
import type { Allowance } from "./allowance.ts";
import type { HubLimits } from "./limits.ts";
import type { Probe } from "./probe.ts";

/** One port's share of a session. */
export interface SessionPort {
  /** Hands on what was collected from the present chunk. */
  submit?(): void;
  /** Another session takes its place: gives back what counts against limits of all clients. */
  succeeded?(): void;
  /** The session is over. */
  end?(): void;
}

/** A session, as its ports see it. */
export interface SessionContext {
  readonly output: FrameOutput;
  readonly limits: HubLimits;
  readonly probe: Probe | undefined;
  /** Those of all clients. */
  readonly subscriptions: Allowance;
  handle(type: FrameType, handler: (frame: Frame) => void): void;
  /** As `handle`, for frames that must not overtake what was collected before them. */
  handleInOrder(type: FrameType, handler: (frame: Frame) => void): void;
  /** Counts work that the broker will certainly end, `bytes` large: what a goodbye waits for. */
  track(work: Promise<void>, bytes: number): void;
  /** Counts what a frame makes the hub walk through: after so much, others have their turn first. */
  spend(steps: number): void;
  /** Counts `bytes` that are kept in memory until `work` ends, which nobody waits for and must not reject. */
  occupy(work: Promise<void>, bytes: number): void;
  /** Looks after work that may go on for as long as the session. */
  guard(work: Promise<void>): void;
  /** Breaks the link, so that the client comes again with what it knows. */
  destroy(): void;
}
