/** What happened in a run, in order: what programs recorded, and what was done to them. */
import { createHash } from "node:crypto";

/** What the simulator itself records. */
export type WorldEvent =
  /** A fault, or its end, in words. */
  | { readonly kind: "fault"; readonly what: string }
  | { readonly kind: "born" | "killed" }
  /** From now on this process runs the hub over the store. */
  | { readonly kind: "owns" }
  /** The program ended with an error. */
  | { readonly kind: "crashed"; readonly error: string }
  /** A failure that belonged to no caller. */
  | { readonly kind: "reported"; readonly where: string; readonly error: string };

/** An event with when and where it happened. */
export type Recorded<Event> = Event & {
  /** Virtual milliseconds since the run began, fractional; the same for all processes. */
  readonly atMs: number;
  /** The wall clock of the process that runs the hub, as far as there was one. */
  readonly brokerMs: number;
  /** The process, or "world". */
  readonly process: string;
};

export type AnyRecorded<Event> = Recorded<Event | WorldEvent>;

/** Two runs are the same run when their digests are: a text of 16 characters. */
export function digestOf(history: readonly object[]): string {
  const hash = createHash("sha256");
  for (const event of history) hash.update(JSON.stringify(event));
  return hash.digest("hex").slice(0, 16);
}
