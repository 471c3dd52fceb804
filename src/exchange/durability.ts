/** Durability levels are sets of survived faults: a request is granted only by a set that contains it. */
import type { Durability, DurabilityClaim } from "../broker/broker.ts";
import { ColloquyError } from "../errors.ts";
import { invalidOption } from "./options.ts";

type Fault = "process crash" | "power cut" | "loss of a minority of nodes";

const survived: Readonly<Record<Durability, readonly Fault[]>> = {
  none: [],
  process: ["process crash"],
  os: ["process crash", "power cut"],
  replicated: ["process crash", "loss of a minority of nodes"],
  "replicated+fsync": ["process crash", "power cut", "loss of a minority of nodes"],
};

/**
 * @throws DURABILITY_UNAVAILABLE naming what would be lost, INVALID_OPTION for an unknown level.
 */
export function assertDurability(claim: DurabilityClaim, wanted: Durability | undefined): void {
  if (wanted === undefined) return;
  const needed = survived[wanted];
  if (needed === undefined) {
    throw invalidOption("durability", wanted, Object.keys(survived).join(", "));
  }
  const missing = needed.filter((fault) => !survived[claim.level].includes(fault));
  if (missing.length === 0) return;
  throw new ColloquyError(
    "DURABILITY_UNAVAILABLE",
    `durability "${wanted}": this broker has "${claim.level}" and may lose messages by ${missing.join(", ")}`,
    { details: { wanted, level: claim.level, missing, evidence: claim.evidence } },
  );
}
