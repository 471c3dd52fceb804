/** Ends the thread of the store, and not the process, whenever messages were stored and nobody knows. */
import type { Probe } from "../../../src/hub/probe.ts";

export const probe: Probe = (point) => {
  if (point === "enqueued") process.exit(1);
};
