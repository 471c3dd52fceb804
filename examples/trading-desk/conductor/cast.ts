/** Who works at the desk: eight processes; with the conductor, nine. */
import type { Role } from "./processes.ts";

/** Started before all others, so that its process owns the store. Killed half-way. */
export const ledger: Role = role("ledger", "ledger");

/** One of them is killed half-way, with an order in its hands. */
export const workers: readonly Role[] = [
  role("execution-1", "execution", "execution-1"),
  role("execution-2", "execution", "execution-2"),
];

export const others: readonly Role[] = [
  ...workers,
  role("risk-1", "risk", "risk-1"),
  role("risk-2", "risk", "risk-2"),
  role("followers", "strategies", "trend", "breakout"),
  role("contrarian", "strategies", "reversion"),
  role("feed", "feed"),
];

function role(name: string, program: string, ...parameters: readonly string[]): Role {
  return { name, program, parameters };
}
