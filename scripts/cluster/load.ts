/** Work that goes on while servers die, and the account of it. */
import type { Progress } from "./progress.ts";

export interface Account {
  /** Messages whose storing was acknowledged. */
  readonly acknowledged: number;
  /** Of these, those that came to a receiver, or were read back. */
  readonly received: number;
  /** Acknowledged and never received. Must be 0. */
  readonly lost: number;
  /** Done more than once, or there more than once. Must be 0. */
  readonly doubled: number;
  /** Offers of a message beyond its first; nothing wrong with that. */
  readonly redelivered: number;
  /** Received, and not done in the end. Must be 0. */
  readonly unsettled: number;
}

export interface Load {
  readonly name: string;
  /** Acknowledgements, by what was acknowledged. */
  readonly progress: Readonly<Record<string, Progress>>;
  /** Sends no more, and waits until what was acknowledged is there and done, or nothing happens any more. */
  finish(): Promise<Account>;
}

/** Between two attempts at what failed, milliseconds. */
export const pauseMs = 50;
