/** What a broker promises to survive, beside what is wanted. */
import type { Durability, DurabilityClaim } from "../../../broker/broker.ts";
import { coversDurability } from "../../../broker/durability.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

export interface WantedDurability {
  readonly wanted: Durability | undefined;
  /** What to do where it is not covered. */
  readonly remedy: string;
}

export function durabilityFinding(
  { level, verified, evidence }: DurabilityClaim,
  { wanted, remedy }: WantedDurability,
): Finding {
  const facts = Object.entries(evidence).map(([name, value]) => `${name} ${value}`);
  const certain = verified ? "" : ", as far as could be read";
  const found = `${level}${certain}${facts.length === 0 ? "" : `: ${facts.join(", ")}`}`;
  if (wanted !== undefined) {
    return coversDurability(level, wanted)
      ? ok("durability", `${found}; covers ${wanted}`)
      : fail("durability", `${found}; does not cover ${wanted}`, remedy);
  }
  switch (level) {
    case "none":
      return warn("durability", "nothing is kept", remedy);
    case "process":
      return warn(
        "durability",
        `survives the end of processes, not of the system: ${found}`,
        remedy,
      );
    default:
      return ok("durability", found);
  }
}
