/** Durability levels are sets of survived faults: a wish is granted when its set is contained. */
import { ColloquyError } from "../errors.ts";
import type { Durability, DurabilityClaim } from "./broker.ts";

type Fault = "process crash" | "power cut" | "loss of a minority of nodes";

const survived: Readonly<Record<Durability, readonly Fault[]>> = {
  none: [],
  process: ["process crash"],
  os: ["process crash", "power cut"],
  replicated: ["process crash", "loss of a minority of nodes"],
  "replicated+fsync": ["process crash", "power cut", "loss of a minority of nodes"],
};

export const durabilities: readonly string[] = Object.keys(survived);

export function isDurability(level: unknown): level is Durability {
  return typeof level === "string" && Object.hasOwn(survived, level);
}

/** True when whatever `wanted` survives, `level` survives too: "replicated" does not cover "os". */
export function coversDurability(level: Durability, wanted: Durability): boolean {
  return survived[wanted].every((fault) => survived[level].includes(fault));
}

/** @throws DURABILITY_UNAVAILABLE saying what the broker has; INVALID_OPTION for no known level. */
export function assertDurability(claim: DurabilityClaim, wanted: Durability): void {
  if (!isDurability(wanted)) {
    const limit = Object.keys(survived);
    throw new ColloquyError("INVALID_OPTION", `durability: ${wanted} is none of ${limit}`, {
      details: { field: "durability", value: wanted, limit },
    });
  }
  const { level, verified, evidence } = claim;
  if (coversDurability(level, wanted)) return;
  const missing = survived[wanted].filter((fault) => !survived[level].includes(fault));
  const certain = verified ? "has" : "is only known to have";
  throw new ColloquyError(
    "DURABILITY_UNAVAILABLE",
    `"${wanted}" was asked for; the broker ${certain} "${level}", which does not survive: ${missing.join(", ")}`,
    { details: { field: "durability", wanted, level, verified, evidence } },
  );
}
